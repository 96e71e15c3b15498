/** What the demo's processes leave for each other: flights, ledger, consumed records, status. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { consumedLine, readConsumed } from '../../../scripts/demo/consumed.ts';
import { flightEvent, readFlights } from '../../../scripts/demo/flights.ts';
import {
  acceptedLine,
  LedgerWriter,
  readLedger,
  unknownLine,
} from '../../../scripts/demo/ledger.ts';
import { parseStatus } from '../../../scripts/demo/status.ts';
import { hashOf } from '../../../src/testing/checker.ts';

const folder = mkdtempSync(join(tmpdir(), 'demo-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('flights', () => {
  it('are real, keyed by their airport of origin, and start over under new numbers', () => {
    const flights = readFlights();
    const first = flightEvent(flights, 1);
    const again = flightEvent(flights, flights.length + 1);
    expect(first.key).toMatch(/^[A-Z]{3}$/);
    expect(again.key).toBe(first.key);
    expect(JSON.parse(first.value)).toMatchObject({ number: 1, origin: first.key });
    expect(JSON.parse(again.value)).toMatchObject({ number: flights.length + 1 });
    expect(hashOf(again.value)).not.toBe(hashOf(first.value));
  });
});

describe('the ledger', () => {
  const event = { topic: 'flights', key: 'SFO', hash: hashOf('x') };
  const accepted = { ...event, number: 7, id: 'id-7', atMs: 5 };
  const unknown = { topic: 'flights', key: 'JFK', hash: hashOf('y') };

  it('is there to read as soon as append has resolved', async () => {
    const path = join(folder, 'ledger');
    const writer = await LedgerWriter.create(path);
    await writer.append([]);
    await writer.append([acceptedLine(accepted), unknownLine(unknown)]);
    expect(readLedger(path)).toEqual({ accepted: [accepted], unknown: [unknown] });
    await writer.close();
    await expect(LedgerWriter.create(path)).rejects.toThrow('EEXIST');
  });

  it.each([
    ['a torn last line', `${acceptedLine(accepted)}\n["acc`, 'the last line is torn'],
    ['a line that is no JSON', 'hello\n', ':1: '],
    ['a line of another kind', '["delivered",1]\n', ':1: not a ledger line'],
    ['a wrong type', '["accepted","7","id","flights","SFO","hash",5]\n', ':1: not a ledger line'],
  ])('refuses %s', (_, text, message) => {
    const path = join(folder, 'damaged');
    writeFileSync(path, text);
    expect(() => readLedger(path)).toThrow(message);
  });

  it('is empty when nothing was accepted', () => {
    const path = join(folder, 'empty');
    writeFileSync(path, '');
    expect(readLedger(path)).toEqual({ accepted: [], unknown: [] });
  });
});

describe('consumed records', () => {
  it('survive their file, keyless and nameless ones too', () => {
    const path = join(folder, 'consumed');
    const place = { topic: 'flights', partition: 1, offset: 2 };
    const record = { ...place, id: null, key: null, hash: 'h', appendedAtMs: 3 };
    const records = [record, { ...record, id: 'id', key: 'SFO' }];
    writeFileSync(path, records.map((one) => `${consumedLine(one)}\n`).join(''));
    expect(readConsumed(path)).toEqual(records);
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
    writeFileSync(path, '[1,2]\n');
    expect(() => readConsumed(path)).toThrow(':1: not a consumed record');
  });
});

describe('status', () => {
  it('must be of the shape the demo relies on', () => {
    expect(() => parseStatus('{}')).toThrow('"lanes"');
    expect(() => parseStatus('{"lanes":[]}')).toThrow('"pending"');
  });
});

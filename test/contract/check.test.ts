/** What `check` finds: every fault is planted, and a file in use has none. */
import { cpSync, existsSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verdicts } from '../../src/admin/check.ts';
import { type CheckReport, checkFile, type FaultCode, repairFile } from '../../src/index.ts';
import { CommandLine } from '../support/cli.ts';
import { DamagedFile, randomOf, seedOf } from '../support/damaged-file.ts';
import { onWindows } from '../support/platform.ts';
import { until } from '../support/wait.ts';

const random = randomOf(seedOf('check'));
let file: DamagedFile;

beforeEach(async () => {
  file = new DamagedFile();
  await file.withHistory();
});
afterEach(() => file.remove());

const codes = ({ findings }: CheckReport) => findings.map(({ code }) => code);

const held = 'SELECT min(seq) FROM outbox_held';
const pending = 'SELECT max(seq) FROM outbox_events';
const hold = (seq: string, more: string) => `
  INSERT INTO outbox_held (seq, lane, topic, order_key, state, next_attempt_at)
  SELECT seq, lane, topic, key, ${more} FROM outbox_events WHERE seq = (${seq})`;
const recount = `UPDATE outbox_lanes SET held = (SELECT count(*) FROM outbox_held AS h
  WHERE h.lane = outbox_lanes.lane)`;

const aside = `${hold(pending, "'dead', NULL")}; ${recount}`;

/** What is done to the file, and all that is found then. */
const planted: readonly (readonly [FaultCode, string, readonly FaultCode[]])[] = [
  [
    'file.foreign_keys',
    `PRAGMA foreign_keys = OFF;
    CREATE TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id));
    INSERT INTO children VALUES (1, 7)`,
    [],
  ],
  [
    'file.not_looked_at',
    `PRAGMA foreign_keys = OFF;
    CREATE TABLE parents (id INTEGER);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id));
    INSERT INTO children VALUES (1, 7)`,
    [],
  ],
  ['schema.version', 'DELETE FROM outbox_migrations WHERE version > 1', []],
  ['schema.objects', 'DROP TRIGGER outbox_events_lane', []],
  ['meta.row', 'DELETE FROM outbox_meta', []],
  ['lane.rows', 'UPDATE outbox_meta SET lanes = 5', ['event.lane_wrong']],
  ['lane.cursor', 'UPDATE outbox_lanes SET cursor = 99999 WHERE lane = 3', ['lane.counters']],
  ['lane.held_count', 'UPDATE outbox_lanes SET held = held + 1 WHERE lane = 1', ['lane.counters']],
  ['lane.counters', 'UPDATE outbox_lanes SET delivered = delivered + 1 WHERE lane = 1', []],
  [
    'sequence.behind',
    "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'outbox_events'",
    ['lane.counters'],
  ],
  [
    'event.lane_unknown',
    `DROP TRIGGER outbox_events_lane;
    UPDATE outbox_events SET lane = 200 WHERE seq = (${pending})`,
    ['schema.objects', 'lane.counters'],
  ],
  [
    'event.lane_wrong',
    `UPDATE outbox_events SET lane = (lane + 1) % 4 WHERE seq = (${pending})`,
    [],
  ],
  [
    'event.missing',
    `DELETE FROM outbox_events WHERE seq = (${pending}) OR seq = (${pending}) - 3`,
    ['lane.counters'],
  ],
  ['held.no_event', `DELETE FROM outbox_events WHERE seq = (${held})`, []],
  [
    'held.wrong_place',
    `UPDATE outbox_held SET topic = 'bills' WHERE state = 'dead'`,
    ['held.no_head'],
  ],
  ['held.ahead', aside, []],
  [
    'held.no_time',
    "UPDATE outbox_held SET state = 'retrying', next_attempt_at = NULL WHERE state = 'dead'",
    [],
  ],
  [
    'held.two_heads',
    `UPDATE outbox_held SET state = 'retrying', next_attempt_at = 1 WHERE state = 'blocked'
      AND order_key = (SELECT order_key FROM outbox_held WHERE state = 'dead')`,
    [],
  ],
  [
    'held.no_head',
    "UPDATE outbox_held SET state = 'skipped' WHERE state = 'dead'",
    ['lane.held_count'],
  ],
  ['dedupe.other_event', `UPDATE outbox_dedupe SET id = 'x' WHERE seq = (${pending})`, []],
  [
    'audit.unreadable',
    "INSERT INTO outbox_audit (at, actor, verb, detail) VALUES (1, 'a', 'skip', 'no json')",
    [],
  ],
  [
    'stop.lane_unknown',
    "INSERT INTO outbox_stops (lane, topic, code, message, since) VALUES (9, 'x', 'y', 'z', 1)",
    [],
  ],
];

describe('a file', () => {
  it('in order has no finding, and is not changed by the look', () => {
    const [before, names] = [file.bytes(), readdirSync(file.folder)];
    expect(checkFile(file.path)).toEqual({ path: file.path, ok: true, worst: 'ok', findings: [] });
    expect(file.bytes().equals(before)).toBe(true);
    expect(readdirSync(file.folder)).toEqual(names);
  });

  it.each(planted)('with a planted %s is told so', (code, sql, others) => {
    file.exec(sql);
    const report = checkFile(file.path);
    expect(codes(report).toSorted()).toEqual([code, ...others].toSorted());
    const found = report.findings.find((one) => one.code === code);
    expect(found).toMatchObject({ count: expect.any(Number), ...verdicts[code] });
    expect(found?.examples.length).toBeGreaterThan(0);
    expect(report.worst).toBe(report.findings[0]?.severity);
  });

  it('with events set aside for a transaction that is not settled is in order', () => {
    file.exec(`${aside}; UPDATE outbox_lanes SET open = 1`);
    expect(checkFile(file.path)).toMatchObject({ ok: true, findings: [] });
  });

  it('with a damaged page is told so', () => {
    file.overwritePage(file.pagesOf('outbox_events').at(3) as number, random);
    const { findings, ok } = checkFile(file.path);
    expect(ok).toBe(false);
    expect(findings[0]).toMatchObject({ code: 'file.integrity', severity: 'error' });
  });

  it('has a planted fault for every code', () => {
    const named = [...planted.map(([code]) => code), 'file.integrity'];
    expect(named.toSorted()).toEqual(Object.keys(verdicts).toSorted());
  });

  it.each(planted.filter(([code]) => /repair/.test(verdicts[code].hint)))(
    'with a planted %s is in order after a repair',
    async (_, sql) => {
      file.exec(sql);
      const { ok } = checkFile(file.path);
      expect(ok).toBe(false);
      expect(repairFile(file.path).result).toBe('repaired');
      const { findings } = checkFile(file.path);
      const left = findings.filter(({ severity, code }) => {
        return severity !== 'note' && code !== 'event.lane_wrong';
      });
      expect(left).toEqual([]);
      const gone = file.accepted.length - file.delivered().size - file.kept().size;
      expect(gone).toBeLessThanOrEqual(2); // where the plant itself deleted them
      await file.relay();
    },
  );
});

describe('beside others', () => {
  it('a writer and a relay at work make no finding', async () => {
    const work = (async () => {
      for (let round = 0; round < 5; round += 1) {
        await file.accept(50);
        await file.relay();
      }
      return 'done';
    })();
    const ended = { yet: false };
    void work.then(() => {
      ended.yet = true;
    });
    const cli = new CommandLine();
    let looks = 0;
    await until(
      'the work to be done',
      async () => {
        const { code, out } = await cli.run(['check', '--db', file.path, '--json']);
        expect(JSON.parse(out)).toMatchObject({ findings: [] });
        expect(code).toBe(0);
        looks += 1;
        return ended.yet && looks > 1;
      },
      { timeoutMs: 90_000, everyMs: 0 },
    );
    await cli.close();
    expect(await work).toBe('done');
  });

  it('a log that nobody has open stays as it is', async () => {
    const db = new Database(file.path);
    db.prepare('SELECT 1 FROM outbox_meta').get();
    await file.accept(10);
    const copy = join(file.folder, 'copy.db');
    for (const suffix of ['', '-wal']) cpSync(file.path + suffix, copy + suffix);
    db.close();
    const [bytes, log] = [file.bytes(copy), file.bytes(`${copy}-wal`)];
    expect(checkFile(copy).findings).toEqual([]);
    expect(file.bytes(copy).equals(bytes)).toBe(true);
    expect(file.bytes(`${copy}-wal`).equals(log)).toBe(true);
  });
});

describe('the command', () => {
  it('ends with 0, 6 or 7 by its worst finding, and names the way out', async () => {
    const cli = new CommandLine();
    const fine = await cli.run(['check', '--db', file.path]);
    expect(fine).toMatchObject({ code: 0, out: `${file.path}: nothing is wrong` });
    file.exec("UPDATE outbox_dedupe SET id = 'x' WHERE seq = 1");
    const warned = await cli.run(['check', '--db', file.path]);
    expect(warned.code).toBe(6);
    expect(warned.out).toMatch(/^warning +dedupe\.other_event \(1\): /m);
    file.exec('UPDATE outbox_lanes SET cursor = 99999 WHERE lane = 0');
    const { code, out } = await cli.run(['check', '--db', file.path]);
    expect(code).toBe(7);
    expect(out).toMatch(/^error +lane\.cursor \(1\): a cursor is ahead of every event/m);
    expect(out).toMatch(/^ +lane 0: cursor 99999, highest seq 681$/m);
    expect(out).toMatch(/^ +hint: .*`outbox-relay repair --db FILE`\.$/m);
    await cli.close();
  });

  it('tells what is no outbox file, and makes none', async () => {
    const cli = new CommandLine();
    const missing = await cli.run(['check', '--db', join(file.folder, 'none.db'), '--json']);
    expect(missing.code).toBe(4);
    expect(JSON.parse(missing.err)).toMatchObject({ error: { code: 'FILE_NOT_FOUND' } });
    expect(existsSync(join(file.folder, 'none.db'))).toBe(false);
    expect((await cli.run(['check', '--db', file.folder])).err).toMatch(/^FILE_UNUSABLE: /);
    await cli.close();
  });

  it.skipIf(onWindows)('takes a link for the file it leads to', () => {
    const link = join(file.folder, 'link.db');
    symlinkSync(file.path, link);
    expect(checkFile(link).findings).toEqual([]);
  });
});

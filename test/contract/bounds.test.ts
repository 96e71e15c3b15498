/** What an outbox may hold: refused at the door beyond it, and nothing accepted is shed. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bounds, type Outbox, openOutbox, openStatus } from '../../src/index.ts';

let folder: string;
let path: string;
let outbox: Outbox;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-bounds-'));
  path = join(folder, 'outbox.db');
});
afterEach(async () => {
  await outbox.close();
  rmSync(folder, { recursive: true });
});

const open = (bounds: Bounds) => {
  outbox = openOutbox({ path }, { bounds });
};
const event = (value: string | Buffer = 'v') => ({ topic: 'orders', key: 'k', value });
const pending = () => {
  const status = openStatus(path);
  const { pending: count } = status.read();
  status.close();
  return count;
};
const refusal = (act: () => unknown): Record<string, unknown> => {
  try {
    act();
    return {};
  } catch (error) {
    const { code, details } = error as { code: string; details: object };
    return { code, ...details };
  }
};

describe('a bound on events', () => {
  it('refuses what is too much, by every way in, and says which bound', async () => {
    open({ events: 3, freeDiskBytes: 0 });
    outbox.enqueueMany([event(), event()]);
    const full = { code: 'OUTBOX_FULL', bound: 'events', limit: 3 };
    expect(refusal(() => outbox.enqueueMany([event(), event()]))).toEqual({ ...full, now: 4 });
    outbox.enqueue(event());
    expect(refusal(() => outbox.enqueue(event()))).toMatchObject(full);
    await expect(outbox.publish(event())).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    expect(pending()).toBe(3);
  });

  it('takes of callers that share a commit those that fit, in their order', async () => {
    open({ events: 3, freeDiskBytes: 0 });
    const all = ['1', '2', '3', '4', '5'].map((value) => outbox.publish(event(value)));
    const results = await Promise.allSettled(all);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    expect(pending()).toBe(3);
  });

  it('takes none of the room for duplicates', async () => {
    open({ events: 2, freeDiskBytes: 0 });
    const repeat = () => ({ ...event(), dedupeKey: 'once' });
    const all = [repeat(), repeat(), event(), repeat(), event()].map((one) => outbox.publish(one));
    const results = await Promise.allSettled(all);
    const said = results.map((one) => (one.status === 'fulfilled' ? one.value.status : 'refused'));
    expect(said).toEqual(['stored', 'duplicate', 'stored', 'duplicate', 'refused']);
  });

  it('tells a caller who repeats an accepted event so, also when it is full', async () => {
    const repeat = { ...event(), dedupeKey: 'once' };
    open({ events: 1, bytes: 1, freeDiskBytes: 0 });
    expect(refusal(() => outbox.enqueue(repeat))).toMatchObject({ bound: 'bytes' });
    await outbox.close();
    open({ freeDiskBytes: 0 });
    outbox.enqueue(repeat);
    await outbox.close();
    open({ events: 1, bytes: 1, freeDiskBytes: Number.MAX_SAFE_INTEGER });
    expect(outbox.enqueue(repeat).status).toBe('duplicate');
    expect((await outbox.publish(repeat)).status).toBe('duplicate');
    expect(refusal(() => outbox.enqueueMany([repeat, event()]))).toMatchObject({ bound: 'events' });
    expect(pending()).toBe(1);
  });

  it('leaves a joined transaction usable', async () => {
    const own = new Database(path);
    own.pragma('journal_mode = WAL');
    own.pragma('synchronous = FULL');
    outbox = openOutbox({ db: own }, { bounds: { events: 1, freeDiskBytes: 0 } });
    own.exec('CREATE TABLE orders (id)');
    own.exec('BEGIN');
    outbox.enqueue(event());
    expect(refusal(() => outbox.enqueue(event()))).toMatchObject({ bound: 'events' });
    own.exec('INSERT INTO orders VALUES (1); COMMIT');
    expect(own.prepare('SELECT count(*) FROM orders').pluck().get()).toBe(1);
    expect(pending()).toBe(1);
    await outbox.close();
    own.close();
  });

  it('has room again when events have left', () => {
    open({ events: 1, freeDiskBytes: 0 });
    outbox.enqueue(event());
    const db = new Database(path);
    db.exec(
      `UPDATE outbox_lanes SET cursor = 1, delivered = 1
      WHERE lane = (SELECT lane FROM outbox_events)`,
    );
    db.close();
    outbox.enqueue(event());
    expect(refusal(() => outbox.enqueue(event()))).toMatchObject({ bound: 'events' });
  });
});

describe('a bound on bytes', () => {
  const big = Buffer.alloc(100_000, 'x');

  it('keeps the file below it', async () => {
    open({ bytes: 3_000_000, freeDiskBytes: 0 });
    let accepted = 0;
    const fill = async () => {
      for (;;) {
        await outbox.publish(event(big));
        accepted += 1;
      }
    };
    await expect(fill()).rejects.toMatchObject({ details: { bound: 'bytes', limit: 3_000_000 } });
    expect(accepted).toBeGreaterThan(5);
    const size = statSync(path).size + statSync(`${path}-wal`).size;
    expect(size).toBeLessThan(3_300_000);
    expect(pending()).toBe(accepted);
  });

  it('counts the log of changes, which a slow reader keeps growing', async () => {
    open({ bytes: 3_000_000, freeDiskBytes: 0 });
    const reader = new Database(path);
    reader.exec('BEGIN');
    reader.prepare('SELECT * FROM outbox_events').all();
    const writer = new Database(path);
    // Nothing is added: the same row is written again and again.
    const again = writer.prepare('UPDATE outbox_meta SET relay_owner = hex(randomblob(50000))');
    for (let times = 0; times < 40; times += 1) again.run();
    await expect(outbox.publish(event())).rejects.toMatchObject({ details: { bound: 'bytes' } });
    reader.exec('COMMIT');
    reader.close();
    writer.pragma('wal_checkpoint(TRUNCATE)');
    writer.close();
    await outbox.publish(event());
  });
});

it('the log of changes gives its space back when a slow reader has left', async () => {
  open({ freeDiskBytes: 0 });
  const big = Buffer.alloc(500_000, 'x');
  const reader = new Database(path);
  reader.exec('BEGIN');
  reader.prepare('SELECT * FROM outbox_events').all();
  for (let times = 0; times < 40; times += 1) await outbox.publish(event(big));
  const wal = () => statSync(`${path}-wal`).size;
  expect(wal()).toBeGreaterThan(16_000_000);
  reader.exec('COMMIT');
  reader.close();
  // A commit copies the log back, the next one begins it anew.
  for (let times = 0; times < 4; times += 1) await outbox.publish(event(big));
  expect(wal()).toBeLessThan(9_000_000);
});

it('a bound on free space of the disk refuses when less is free', async () => {
  open({ freeDiskBytes: Number.MAX_SAFE_INTEGER });
  expect(refusal(() => outbox.enqueue(event()))).toMatchObject({ bound: 'freeDiskBytes' });
  await expect(outbox.publish(event())).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
});

it.each([[{ events: -1 }], [{ bytes: 1.5 }], [{ freeDiskBytes: Number.NaN }]])(
  'a bound that makes no sense is refused: %j',
  (bounds) => {
    open({});
    expect(refusal(() => openOutbox({ path }, { bounds }))).toMatchObject({
      code: 'CONFIG_INVALID',
    });
  },
);

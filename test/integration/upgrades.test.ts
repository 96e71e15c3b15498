/** Schemas older and newer than the code, and another number of lanes. No Kafka, no Redis. */
import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { laneOf } from '../../src/core/lane.ts';
import { createRelay, migrateOutbox, openOutbox, openStatus } from '../../src/index.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import { CommandLine } from '../support/cli.ts';
import { migrateToTheFuture } from '../support/future.ts';
import { until } from '../support/wait.ts';

let cli: CommandLine;
beforeEach(() => {
  cli = new CommandLine();
});
afterEach(() => cli.close());

const codeOf = (action: () => unknown): string => {
  try {
    action();
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

/** Reads or writes the file as SQL. */
function sql<T>(work: (db: Database.Database) => T): T {
  const db = new Database(cli.db);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

describe('a file that a newer version has migrated', () => {
  it('is refused with a code and an exit code of its own by code that is too old', async () => {
    migrateOutbox(cli.db);
    migrateToTheFuture(cli.db, 2);
    expect(codeOf(() => openOutbox({ path: cli.db }))).toBe('SCHEMA_NEWER');
    expect(codeOf(() => openStatus(cli.db))).toBe('SCHEMA_NEWER');
    for (const args of [['status'], ['migrate'], ['publish', '-'], ['run', '--brokers', 'a:1']]) {
      const { code, err } = await cli.run([...args, '--db', cli.db], { input: '' });
      expect(err).toMatch(/^SCHEMA_NEWER: the file has schema 2, for code from schema 2 on/);
      expect(code).toBe(8);
    }
  });

  it('stops a relay that is running: it sends nothing more, and warns with a hint', async () => {
    const outbox = openOutbox({ path: cli.db }, { lanes: 1 });
    const event = { topic: 't', key: 'k', value: 'v' };
    outbox.enqueue(event);
    const driver = new MemoryDriver();
    const lines: object[] = [];
    const ignore = () => {};
    const warn = (facts: object) => lines.push(facts);
    const logger = { debug: ignore, info: ignore, warn, error: ignore };
    const retry = { retries: 0, delayMs: 1 };
    const given = { db: cli.db, brokers: ['unused:1'], retry };
    const relay = createRelay(given, { createDriver: () => driver, logger });
    const warnings: { code: string; cause: unknown }[] = [];
    relay.on('warning', (warning) => warnings.push(warning));
    const refused = new Promise((resolve) => relay.on('roundUsedUp', resolve));
    await relay.start();
    await until('it is delivered', () => driver.recordsOf('t').length === 1);
    // Its writer is of the newer version: code of this one would be refused.
    sql((db) => {
      const copy = `INSERT INTO outbox_events (id, topic, lane, created_at, key, value)
        SELECT id, topic, lane, created_at, key, value FROM outbox_events`;
      migrateToTheFuture(cli.db, 2);
      db.exec(copy);
    });
    expect(await refused).toMatchObject({ cause: { code: 'SCHEMA_NEWER' } });
    const hint = 'Update outbox-relay here: another process has already migrated the file.';
    expect(warnings[0]).toMatchObject({ code: 'SCHEMA_NEWER', cause: { hint } });
    expect(lines[0]).toEqual({ code: 'SCHEMA_NEWER', hint });
    expect(driver.recordsOf('t')).toHaveLength(1);
    expect(codeOf(() => outbox.enqueue(event))).toBe('SCHEMA_NEWER');
    await expect(outbox.publish(event)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' });
    await relay.stop();
    await outbox.close();
  });

  it('is used on when the migration says that this one may', async () => {
    migrateOutbox(cli.db);
    migrateToTheFuture(cli.db, 1);
    const outbox = openOutbox({ path: cli.db });
    outbox.enqueue({ topic: 't', key: 'k', value: 'v', dedupeKey: 'd' });
    await outbox.publish({ topic: 't', key: 'k', value: 'v' });
    await outbox.close();
    const status = openStatus(cli.db);
    expect(status.read().pending).toBe(2);
    status.close();
    const driver = new MemoryDriver();
    const options = { db: cli.db, brokers: ['unused:1'] };
    const relay = createRelay(options, { createDriver: () => driver });
    const delivered = new Promise((resolve) => relay.on('delivered', resolve));
    await relay.start();
    await delivered;
    await relay.stop();
    expect(driver.recordsOf('t')).toHaveLength(2);
    expect(await cli.json('migrate', '--db', cli.db)).toMatchObject({ applied: [] });
  });
});

describe('migrate: check', () => {
  it('makes no file and no tables', () => {
    const check = () => openOutbox({ path: cli.db }, { migrate: 'check' });
    expect(codeOf(check)).toBe('FILE_NOT_FOUND');
    expect(existsSync(cli.db)).toBe(false);
    sql((db) => db.exec('CREATE TABLE orders (id)'));
    expect(codeOf(check)).toBe('SCHEMA_MISSING');
    expect(sql((db) => db.prepare('SELECT name FROM sqlite_master').pluck().all())).toEqual([
      'orders',
    ]);
  });

  it('opens a file that was migrated before, for writing', async () => {
    migrateOutbox(cli.db);
    const outbox = openOutbox({ path: cli.db }, { migrate: 'check' });
    expect(outbox.enqueue({ topic: 't', value: 'v' })).toMatchObject({ seq: 1 });
    await outbox.close();
  });

  it('is an option of run and publish too', async () => {
    for (const args of [
      ['run', '--brokers', 'a:1'],
      ['publish', '-'],
    ]) {
      const given = [...args, '--db', cli.db, '--migrate', 'check'];
      const { code, err } = await cli.run(given, { input: '' });
      expect(err).toMatch(/^FILE_NOT_FOUND/);
      expect(code).toBe(4);
    }
  });

  it('nothing else is', () => {
    const other = { migrate: 'never' } as never;
    expect(codeOf(() => openOutbox({ path: cli.db }, other))).toBe('CONFIG_INVALID');
  });
});

/** As a relay would, without one: every event is delivered. */
function deliverAll(): void {
  sql((db) =>
    db.exec(`
      UPDATE outbox_lanes AS l SET
        delivered = (SELECT count(*) FROM outbox_events AS e WHERE e.lane = l.lane),
        cursor = coalesce((SELECT max(seq) FROM outbox_events AS e WHERE e.lane = l.lane), 0)`),
  );
}

const events = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ topic: 't', key: `key ${index}`, value: 'v' }));

/** Lanes of the stored events, and what they should be. */
function lanesOfRows(lanes: number): { readonly stored: number[]; readonly right: number[] } {
  const rows = sql((db) =>
    db.prepare('SELECT topic, key, partition, id, lane FROM outbox_events ORDER BY seq').all(),
  ) as { topic: string; key: Buffer; partition: null; id: string; lane: number }[];
  return { stored: rows.map(({ lane }) => lane), right: rows.map((row) => laneOf(row, lanes)) };
}

describe('migrate --lanes', () => {
  it.each([3, 16])('gives a drained outbox %i lanes, keeps counts and numbers', async (n) => {
    const outbox = openOutbox({ path: cli.db }, { lanes: 8 });
    outbox.enqueueMany(events(20));
    deliverAll();
    const { out } = await cli.run(['migrate', '--db', cli.db, '--lanes', String(n)]);
    expect(out).toContain(`: lanes 8 to ${n} (`);
    const status = openStatus(cli.db);
    expect(status.read()).toMatchObject({ accepted: 20, delivered: 20, pending: 0 });
    expect(status.read().lanes).toHaveLength(n);
    outbox.enqueueMany(events(1));
    expect(status.read()).toMatchObject({ accepted: 21, delivered: 20, pending: 1 });
    status.close();
    await outbox.close();
  });

  it.each([3, 16])('to %i is heard by writers: every event has its lane', async (n) => {
    const own = new Database(cli.db);
    own.pragma('journal_mode = WAL');
    own.pragma('synchronous = FULL');
    const outbox = openOutbox({ db: own }, { lanes: 8 });
    await outbox.publish({ topic: 't', key: 'first', value: 'v' });
    const change = (lanes: number) => {
      deliverAll();
      migrateOutbox(cli.db, lanes);
    };
    change(n);
    outbox.enqueueMany(events(20));
    expect(lanesOfRows(n).stored).toEqual(lanesOfRows(n).right);
    change(8);
    own.exec('BEGIN');
    for (const event of events(20)) outbox.enqueue(event);
    own.exec('COMMIT');
    expect(lanesOfRows(8).stored).toEqual(lanesOfRows(8).right);
    change(n);
    await Promise.all(events(20).map((event) => outbox.publish(event)));
    expect(lanesOfRows(n).stored).toEqual(lanesOfRows(n).right);
    expect(lanesOfRows(n).stored).toHaveLength(20);
    await outbox.close();
    own.close();
  });

  it('is refused while an event waits, or one is held', async () => {
    const outbox = openOutbox({ path: cli.db }, { lanes: 8 });
    outbox.enqueueMany(events(1));
    await outbox.close();
    const { code, err } = await cli.run(['migrate', '--db', cli.db, '--lanes', '4']);
    expect(code).toBe(4);
    expect(err).toMatch(/^LANES_IN_USE: the outbox holds events/);
    deliverAll();
    const hold = "INSERT INTO outbox_held (seq, lane, topic, state) VALUES (1, 0, 't', 'dead')";
    sql((db) => db.exec(hold));
    expect(codeOf(() => migrateOutbox(cli.db, 4))).toBe('LANES_IN_USE');
    sql((db) => db.exec('DELETE FROM outbox_held'));
    expect(codeOf(() => migrateOutbox(cli.db, 4))).toBe('done');
  });

  it('is refused while a relay lives; a relay just starting is refused', async () => {
    const opened = openSqliteOutbox({ path: cli.db }, { clock: systemClock, schema: 'auto' });
    const store = opened.openStore();
    const presence = await store.announceOwner('relay');
    expect(codeOf(() => migrateOutbox(cli.db, 4))).toBe('LANES_IN_USE');
    await presence.withdraw();
    expect(codeOf(() => migrateOutbox(cli.db, 4))).toBe('done');
    const late = await store.announceOwner('relay');
    const beat = { phase: 'running', circuit: 'closed', ratePerSecond: 0 } as const;
    await expect(store.writeHeartbeat({ owner: 'relay', atMs: 0, ...beat })).rejects.toMatchObject({
      code: 'LANES_DIFFER',
    });
    await late.withdraw();
    store.close();
    opened.close();
  });

  it('twice at once gives one of the two, whole', async () => {
    migrateOutbox(cli.db, 8);
    const to = (lanes: number) => cli.run(['migrate', '--db', cli.db, '--lanes', String(lanes)]);
    const ended = await Promise.all([to(3), to(16)]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const [lanes, rows] = sql((db) => [
      db.prepare('SELECT lanes FROM outbox_meta').pluck().get(),
      db.prepare('SELECT count(*) FROM outbox_lanes').pluck().get(),
    ]);
    expect([3, 16]).toContain(lanes);
    expect(rows).toBe(lanes);
  });
});

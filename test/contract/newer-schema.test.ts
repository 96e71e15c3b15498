/** What code does with a file that a newer version migrates while this code has it open. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMigrations } from '../../src/outbox/sqlite/migrate.ts';
import { openSqliteOutbox, type SqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import type { EventAppender, OutboxStore } from '../../src/outbox/store.ts';
import { FakeClock } from '../support/clock.ts';
import { encodedEvent } from '../support/encoded.ts';
import { migrateToTheFuture } from '../support/future.ts';

const known = readMigrations().length;
const newer = { code: 'SCHEMA_NEWER', hint: expect.stringMatching(/^Update outbox-relay/) };

let folder: string;
let path: string;
/** The application's own. */
let handle: Database.Database;
let outbox: SqliteOutbox;
let beside: SqliteOutbox;
let store: OutboxStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-newer-'));
  path = join(folder, 'outbox.db');
  const options = { clock: new FakeClock(1_000), schema: 'auto', lanesOfNew: 1 } as const;
  outbox = openSqliteOutbox({ path }, options);
  handle = new Database(path);
  handle.pragma('synchronous = FULL');
  handle.exec('CREATE TABLE orders (id)');
  beside = openSqliteOutbox({ db: handle }, options);
  store = outbox.openStore();
});

afterEach(() => {
  store.close();
  outbox.close();
  handle.close();
  rmSync(folder, { recursive: true });
});

const count = (table: string) => handle.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
const claim = () => store.claimLane(0, 'relay', store.readLane(0).fence);
const beat = { owner: 'relay', phase: 'running', circuit: 'closed', ratePerSecond: 0 } as const;

describe('a migration that this code is too old for', () => {
  const append = (appender: EventAppender) => () => appender.append([encodedEvent()]);

  it('lets no writer store, neither alone nor in a transaction of the application', () => {
    append(outbox.appender)();
    append(beside.appender)();
    migrateToTheFuture(path, known + 1);
    expect(append(outbox.appender)).toThrow(expect.objectContaining(newer));
    expect(append(beside.appender)).toThrow(expect.objectContaining(newer));
    handle.exec('BEGIN; INSERT INTO orders VALUES (1)');
    expect(append(beside.appender)).toThrow(expect.objectContaining(newer));
    handle.exec('COMMIT');
    expect([count('outbox_events'), count('orders')]).toEqual([2, 1]);
  });

  it('is told as that, too, where the tables are not what this code knows', () => {
    migrateToTheFuture(path, known + 1);
    handle.exec('ALTER TABLE outbox_events RENAME COLUMN headers TO other');
    expect(append(beside.appender)).toThrow(expect.objectContaining(newer));
    handle.exec('BEGIN');
    expect(append(beside.appender)).toThrow(expect.objectContaining(newer));
    handle.exec('COMMIT');
    expect(count('outbox_events')).toBe(0);
  });

  it('lets no publisher store', async () => {
    await store.appendAll([encodedEvent()]);
    migrateToTheFuture(path, known + 1);
    await expect(store.appendAll([encodedEvent()])).rejects.toMatchObject(newer);
    await expect(store.appendEach([encodedEvent()])).rejects.toMatchObject(newer);
    expect(count('outbox_events')).toBe(1);
  });

  it('lets no relay tell that it lives, take a lane, or delete what is delivered', async () => {
    await store.appendAll([encodedEvent(), encodedEvent()]);
    await store.writeHeartbeat({ ...beat, atMs: 1 });
    const lease = await claim();
    if (lease === null) throw new Error('the lane was not free');
    expect(await store.settle(lease, { cursor: 1, delivered: 1, via: 'job' })).toBe(true);
    expect(await store.releaseLane(lease)).toBe(true);
    migrateToTheFuture(path, known + 1);
    await expect(store.writeHeartbeat({ ...beat, atMs: 2 })).rejects.toMatchObject(newer);
    await expect(claim()).rejects.toMatchObject(newer);
    await expect(store.prune(9_000, 10)).rejects.toMatchObject(newer);
    expect(store.summary()).toMatchObject({ heartbeat: { atMs: 1 }, lanes: [{ owner: null }] });
    expect(count('outbox_events')).toBe(2);
  });

  it('ends a drain before its next send; what was acknowledged is still settled', async () => {
    await store.appendAll([encodedEvent()]);
    const lease = await claim();
    if (lease === null) throw new Error('the lane was not free');
    expect(store.holdsLane(lease)).toBe(true);
    migrateToTheFuture(path, known + 1);
    expect(() => store.holdsLane(lease)).toThrow(expect.objectContaining(newer));
    expect(await store.settle(lease, { cursor: 1, delivered: 1, via: 'job' })).toBe(true);
    expect(await store.releaseLane(lease)).toBe(true);
    expect(store.holdsLane(lease)).toBe(false);
  });
});

describe('a migration that this code may go on after', () => {
  it('keeps what it has in columns that this code does not know', async () => {
    migrateToTheFuture(path, 1);
    const dedupe = { key: 'd', expiresAtMs: 2_000 };
    const append = (createdAtMs: number) =>
      outbox.appender.append([encodedEvent({ createdAtMs, dedupe })]);
    append(1_000);
    await store.rememberPartitions('orders', 3);
    const tables = ['outbox_dedupe', 'outbox_topics', 'outbox_lanes', 'outbox_meta'];
    for (const table of tables) handle.exec(`UPDATE ${table} SET future = 'kept'`);
    expect(append(2_000)).toMatchObject([{ status: 'stored', seq: 2 }]); // the key has expired
    await store.rememberPartitions('orders', 6);
    expect(store.readPartitions('orders')).toBe(6);
    await store.writeHeartbeat({ ...beat, atMs: 1 });
    expect(await claim()).not.toBeNull();
    for (const table of tables) {
      const kept = handle.prepare(`SELECT DISTINCT future FROM ${table}`).pluck().all();
      expect([table, kept]).toEqual([table, ['kept']]);
    }
    const key = handle.prepare('SELECT seq, expires_at FROM outbox_dedupe').get();
    expect(key).toEqual({ seq: 2, expires_at: 2_000 });
  });

  it('refuses another number of lanes, which would make their rows anew', () => {
    migrateToTheFuture(path, 1);
    handle.exec("UPDATE outbox_lanes SET future = 'kept'");
    const change = (lanes: number) => () => {
      const options = { clock: new FakeClock(), schema: 'auto', changeLanes: true, lanes } as const;
      openSqliteOutbox({ path }, options).close();
    };
    expect(change(4)).toThrow(expect.objectContaining(newer));
    expect(change(1)).not.toThrow(); // it has them
    expect(handle.prepare('SELECT future FROM outbox_lanes').pluck().all()).toEqual(['kept']);
  });
});

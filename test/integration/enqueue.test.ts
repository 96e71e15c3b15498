/** Enqueue in the application's own transactions, on a real file; no Kafka, no Redis. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { type Outbox, openOutbox, openStatus } from 'outbox-relay';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
let path: string;
let db: Database.Database;
let outbox: Outbox;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-enqueue-'));
  path = join(folder, 'shop.db');
  db = new Database(path);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)');
  outbox = openOutbox({ db });
});

afterEach(async () => {
  await outbox.close();
  expect(db.open).toBe(true); // the application's handle is the application's to close
  db.close();
  rmSync(folder, { recursive: true, force: true });
});

const event = (number = 1) => ({ topic: 'orders', key: `k${number}`, value: { number } });
const orders = () => db.prepare('SELECT count(*) FROM orders').pluck().get();
const values = () =>
  db.prepare('SELECT value FROM outbox_events ORDER BY seq').pluck().all().map(String);
const insertOrder = () => db.prepare("INSERT INTO orders (item) VALUES ('tea')").run();

/** Accepted as every other process sees it. */
function accepted(): number {
  const status = openStatus(path);
  try {
    return status.read().accepted;
  } finally {
    status.close();
  }
}

describe('enqueue joins the open transaction', () => {
  const wayOut = new Error('out of stock');
  const schema = { orders: sqliteTable('orders', { id: integer('id'), item: text('item') }) };

  it.each([
    ['of better-sqlite3', (work: () => void) => db.transaction(work)()],
    ['of Drizzle', (work: () => void) => drizzle({ client: db, schema }).transaction(() => work())],
    ['of the outbox', (work: () => void) => outbox.transaction(work)],
    [
      'of a raw BEGIN',
      (work: () => void) => {
        db.exec('BEGIN');
        try {
          work();
          db.exec('COMMIT');
        } catch (error) {
          db.exec('ROLLBACK');
          throw error;
        }
      },
    ],
  ])('%s: both rows or neither', (_, inTransaction) => {
    inTransaction(() => {
      insertOrder();
      outbox.enqueue(event(1));
      expect(accepted()).toBe(0); // nobody sees it before the COMMIT
    });
    expect([orders(), accepted()]).toEqual([1, 1]);
    const fails = () =>
      inTransaction(() => {
        insertOrder();
        outbox.enqueue(event(2));
        outbox.enqueueMany([event(3), event(4)]);
        throw wayOut;
      });
    expect(fails).toThrow(wayOut);
    expect([orders(), accepted()]).toEqual([1, 1]);
    expect(values()).toEqual(['{"number":1}']);
  });

  it('an inner rollback takes only the inner events', () => {
    outbox.transaction(() => {
      outbox.enqueue(event(1));
      const inner = () =>
        outbox.transaction(() => {
          outbox.enqueue(event(2));
          throw wayOut;
        });
      expect(inner).toThrow(wayOut);
      outbox.enqueue(event(3));
    });
    expect(values()).toEqual(['{"number":1}', '{"number":3}']);
  });

  it('a bad event of enqueueMany stores none of them and leaves the transaction usable', () => {
    db.exec('BEGIN');
    const many = [event(1), { topic: 'not legal', value: 1 }];
    expect(() => outbox.enqueueMany(many)).toThrow(
      expect.objectContaining({ code: 'EVENT_INVALID' }),
    );
    expect(db.inTransaction).toBe(true);
    outbox.enqueue(event(2));
    db.exec('COMMIT');
    expect(values()).toEqual(['{"number":2}']);
  });
});

describe('without an open transaction', () => {
  it('enqueue commits by itself', () => {
    const { status, seq, id } = outbox.enqueue(event());
    expect(accepted()).toBe(1);
    expect([status, seq]).toEqual(['stored', 1]);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('a handle that was set to synchronous=NORMAL is refused', () => {
    db.pragma('synchronous = NORMAL');
    expect(() => outbox.enqueue(event())).toThrow(
      expect.objectContaining({ code: 'SYNCHRONOUS_NOT_FULL' }),
    );
    expect(accepted()).toBe(0);
  });

  it('ids grow with seq', () => {
    const ids = outbox
      .enqueueMany(Array.from({ length: 5_000 }, () => event()))
      .map(({ id }) => id);
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('a dedupe key answers with the first event, also when it rolled back before', () => {
    const once = { ...event(1), dedupeKey: 'order-1' };
    db.exec('BEGIN');
    outbox.enqueue(once);
    db.exec('ROLLBACK');
    const first = outbox.enqueue(once);
    expect(first.status).toBe('stored');
    expect(outbox.enqueue({ ...event(2), dedupeKey: 'order-1' })).toEqual({
      ...first,
      status: 'duplicate',
    });
    expect(values()).toEqual(['{"number":1}']);
  });
});

describe('an asynchronous transaction is refused and rolled back', () => {
  it('an async function is not even called', () => {
    let called = false;
    const work = async () => {
      called = true;
    };
    expect(() => outbox.transaction(work)).toThrow(
      expect.objectContaining({ code: 'TRANSACTION_ASYNC' }),
    );
    expect(called).toBe(false);
  });

  it('one that returns a promise is rolled back', () => {
    const work = () => {
      insertOrder();
      outbox.enqueue(event());
      return Promise.reject(new Error('seen by nobody'));
    };
    expect(() => outbox.transaction(work)).toThrow(
      expect.objectContaining({ code: 'TRANSACTION_ASYNC' }),
    );
    expect([orders(), accepted(), db.inTransaction]).toEqual([0, 0, false]);
  });

  it('one that returns a thenable is rolled back', () => {
    // biome-ignore lint/suspicious/noThenProperty: the point of the test
    const work = () => ({ seq: outbox.enqueue(event()).seq, then: () => {} });
    expect(() => outbox.transaction(work)).toThrow(
      expect.objectContaining({ code: 'TRANSACTION_ASYNC' }),
    );
    expect(accepted()).toBe(0);
  });
});

describe('publish', () => {
  it('never joins a BEGIN that is open on the handle', async () => {
    db.exec('BEGIN'); // deferred: it holds no write lock yet
    const published = await outbox.publish(event(1));
    expect(accepted()).toBe(1);
    db.exec('ROLLBACK');
    expect([accepted(), published.seq]).toEqual([1, 1]);
  });

  it('waits for a writer without stalling the event loop', async () => {
    db.exec('BEGIN IMMEDIATE');
    insertOrder();
    const publishing = outbox.publish(event(1));
    let turns = 0;
    for (; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(accepted()).toBe(0);
    db.exec('COMMIT');
    await expect(publishing).resolves.toMatchObject({ status: 'stored' });
    expect(accepted()).toBe(1);
  });

  it('rejects a bad event alone, before and inside the commit', async () => {
    db.exec(`CREATE TRIGGER refuse BEFORE INSERT ON outbox_events WHEN NEW.topic = 'forbidden'
      BEGIN SELECT RAISE(ABORT, 'no'); END`);
    const events = [event(1), { topic: '?', value: 1 }, { topic: 'forbidden', value: 1 }, event(2)];
    const settled = await Promise.allSettled(events.map((one) => outbox.publish(one)));
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect(values()).toEqual(['{"number":1}', '{"number":2}']);
  });

  it('is complete when close resolves', async () => {
    const publishing = Array.from({ length: 200 }, (_, number) => outbox.publish(event(number)));
    await outbox.close();
    expect(accepted()).toBe(200);
    await Promise.all(publishing);
    const closed = expect.objectContaining({ code: 'OUTBOX_CLOSED' });
    await expect(outbox.publish(event())).rejects.toEqual(closed);
    expect(() => outbox.enqueue(event())).toThrow(closed);
    expect(() => outbox.transaction(() => 1)).toThrow(closed);
  });
});

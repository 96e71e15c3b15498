/** The consumer's inbox: each event once, whatever comes twice, and when a handler fails. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createInbox, eventIdOf, type Inbox, type InboxMessage } from '../../src/inbox/index.ts';

let folder: string;
let db: Database.Database;
let inbox: Inbox;
let nowMs = 1_000_000;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-inbox-'));
  db = new Database(join(folder, 'consumer.db'));
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE balance (total INTEGER NOT NULL); INSERT INTO balance VALUES (0)');
  inbox = createInbox({ db, retentionMs: 1_000, now: () => nowMs });
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

const message = (n: number): InboxMessage => {
  const id = `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  return { headers: { 'outbox-event-id': Buffer.from(id) } };
};
const add = (handle = db) => handle.exec('UPDATE balance SET total = total + 1');
const total = () => db.prepare('SELECT total FROM balance').pluck().get();
const known = () => db.prepare('SELECT count(*) FROM outbox_inbox').pluck().get();

describe('an inbox', () => {
  it('handles each event once, though records come twice and out of order', () => {
    const stream = [1, 2, 1, 3, 2, 2, 4, 1, 4];
    const results = stream.map((n) => inbox.handle(message(n), () => add()).status);
    expect(results.filter((status) => status === 'handled')).toHaveLength(4);
    expect(results[2]).toBe('duplicate');
    expect(total()).toBe(4);
  });

  it('forgets an event whose handler failed, with all that it did', () => {
    const fail = () => {
      add();
      throw new Error('no such customer');
    };
    expect(() => inbox.handle(message(1), fail)).toThrow('no such customer');
    expect([total(), known()]).toEqual([0, 0]);
    expect(inbox.handle(message(1), () => 'done')).toMatchObject({
      status: 'handled',
      value: 'done',
    });
  });

  it('is one for two consumers of one database', () => {
    const other = new Database(join(folder, 'consumer.db'));
    const second = createInbox({ db: other });
    inbox.handle(message(1), () => add());
    expect(second.handle(message(1), () => add(other)).status).toBe('duplicate');
    other.close();
    expect(total()).toBe(1);
  });

  it('joins a transaction that is open, and goes back with it', () => {
    db.exec('BEGIN');
    inbox.handle(message(1), () => add());
    db.exec('ROLLBACK');
    expect([total(), known()]).toEqual([0, 0]);
  });

  it('refuses an asynchronous handler, and takes its writes back', () => {
    const late = async () => add();
    expect(() => inbox.handle(message(1), late)).toThrow(/returned a promise/);
    expect([total(), known()]).toEqual([0, 0]);
  });

  it('refuses what only looks like a promise, too', () => {
    const lazy = () => {
      add();
      // biome-ignore lint/suspicious/noThenProperty: a lazy query is a thenable, and no Promise.
      return { then: (done: (value: number) => void) => done(1) };
    };
    expect(() => inbox.handle(message(1), lazy)).toThrow(/returned a promise/);
    expect([total(), known()]).toEqual([0, 0]);
  });

  it('forgets ids after their time, some with each call', () => {
    for (let n = 1; n <= 150; n += 1) inbox.handle(message(n), () => {});
    nowMs += 2_000;
    inbox.handle(message(200), () => {});
    expect(known()).toBe(51);
    inbox.handle(message(201), () => {});
    expect(known()).toBe(2);
  });

  it.each([
    [{}, 'has no outbox-event-id'],
    [{ headers: {} }, 'has no outbox-event-id'],
    [{ headers: { 'outbox-event-id': 'x' } }, 'that is no UUID'],
  ])('refuses a record that the relay did not send: %j', (odd, why) => {
    expect(() => inbox.handle(odd, () => {})).toThrow(why);
    expect(() => eventIdOf(odd)).toThrow(expect.objectContaining({ code: 'MESSAGE_UNKNOWN' }));
  });

  it('refuses a time that makes no sense', () => {
    expect(() => createInbox({ db, retentionMs: 0 })).toThrow(/retentionMs: 0/);
  });
});

describe('an inbox for which only the newest of a key matters', () => {
  interface Place {
    readonly n: number;
    readonly seq: number;
    readonly key?: string | null;
    readonly source?: string;
  }
  const at = ({ n, seq, key = 'k', source = 'shop' }: Place): InboxMessage => {
    const headers = { ...message(n).headers, 'outbox-seq': `${seq}`, 'outbox-source': source };
    return { key, headers };
  };
  const newest = (place: Place, topic = 'orders') =>
    inbox.handle(at(place), () => add(), { newestOf: topic }).status;

  it('leaves out what comes after a later one of its key, and knows it the next time', () => {
    expect(newest({ n: 1, seq: 10 })).toBe('handled');
    expect(newest({ n: 2, seq: 30 })).toBe('handled');
    expect(newest({ n: 3, seq: 20 })).toBe('stale');
    expect(newest({ n: 3, seq: 20 })).toBe('duplicate');
    expect(newest({ n: 4, seq: 31 })).toBe('handled');
    expect(total()).toBe(3);
  });

  it('compares within a topic, a key and an outbox, and nothing without a key', () => {
    expect(newest({ n: 1, seq: 10 })).toBe('handled');
    expect(newest({ n: 2, seq: 9, key: 'other' })).toBe('handled');
    expect(newest({ n: 3, seq: 9, source: 'other' })).toBe('handled');
    expect(newest({ n: 4, seq: 9 }, 'other')).toBe('handled');
    expect(newest({ n: 5, seq: 9, key: null })).toBe('handled');
    expect(newest({ n: 6, seq: 8, key: null })).toBe('handled');
    expect(inbox.handle(at({ n: 7, seq: 8 }), () => add()).status).toBe('handled');
  });

  it('goes back with a handler that fails', () => {
    const fail = () => {
      throw new Error('no such customer');
    };
    expect(() => inbox.handle(at({ n: 1, seq: 10 }), fail, { newestOf: 'orders' })).toThrow();
    expect(newest({ n: 2, seq: 9 })).toBe('handled');
  });

  it('forgets keys after their time, too', () => {
    newest({ n: 1, seq: 10 });
    nowMs += 2_000;
    newest({ n: 2, seq: 1, key: 'other' });
    expect(newest({ n: 3, seq: 9 })).toBe('handled');
  });

  it.each([[{}], [{ 'outbox-seq': 'x', 'outbox-source': 's' }], [{ 'outbox-seq': '1' }]])(
    'refuses a record without its place: %j',
    (headers) => {
      const odd = { key: 'k', headers: { ...message(1).headers, ...headers } };
      const work = () => inbox.handle(odd, () => add(), { newestOf: 'orders' });
      expect(work).toThrow(expect.objectContaining({ code: 'MESSAGE_UNKNOWN' }));
      expect(known()).toBe(0);
    },
  );
});

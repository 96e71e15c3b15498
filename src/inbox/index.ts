/**
 * `outbox-relay/inbox`: for consumers. Handles each event once, though Kafka may give it twice: its
 * id is kept in the transaction that handles it.
 *
 * What a kill -9 leaves: before the COMMIT neither the id nor what the handler wrote, and Kafka
 * gives the record again; between the COMMIT and the consumer's own offset commit both, and the
 * record that Kafka gives again is a duplicate.
 */
import { ConfigInvalidError, MessageUnknownError, TransactionAsyncError } from '../core/errors.ts';
import { ignore, isThenable } from '../core/thenable.ts';
import type { Database, Statement } from '../outbox/sqlite/database.ts';

/** As kafkajs gives it: several values of one name are a list. */
export type HeaderValue = Buffer | string | (Buffer | string)[] | undefined;

/** What is used of a record, e.g. of kafkajs's `KafkaMessage`. */
export interface InboxMessage {
  /** The order key; for {@link HandleOptions.newestOf}. */
  readonly key?: Buffer | string | null;
  readonly headers?: Readonly<Record<string, HeaderValue>> | undefined;
}

/** How {@link createInbox} keeps ids. */
export interface InboxOptions {
  /** The consumer's own handle: what `handle` does must be in this database. */
  readonly db: Database;
  /**
   * How long an id is remembered, milliseconds from 1. It must exceed the time after which a
   * record can come again: the relay's longest outage, what is rewound by hand. Default: 7 days.
   */
  readonly retentionMs?: number;
  /** Wall time in ms. Default: `Date.now`. */
  readonly now?: () => number;
}

/** How {@link Inbox.handle} takes one record. */
export interface HandleOptions {
  /**
   * The record's topic, where only the newest of a key matters: a record is `stale` when a later
   * one of the same topic, key and outbox was handled, e.g. when an operator has sent an event
   * again after others of its key. No effect without a key. Default: none, each one is handled.
   */
  readonly newestOf?: string;
}

/** `handled` now, a `duplicate` of one that was, or `stale`: later ones of its key were. */
export interface InboxResult<T> {
  readonly status: 'handled' | 'duplicate' | 'stale';
  readonly id: string;
  /** What the function returned; `undefined` unless it was handled. */
  readonly value: T | undefined;
}

const week = 7 * 24 * 60 * 60 * 1_000;
/** Old ids that one call deletes, at most: no call pays for all of them. */
const forgetMax = 100;

/** Ids of events that were handled, in the table `outbox_inbox` of the consumer's database. */
export class Inbox {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #retentionMs: number;
  readonly #keep: Statement;
  readonly #forget: readonly Statement[];
  readonly #advance: Statement;

  /** Use {@link createInbox}. */
  constructor({ db, retentionMs = week, now = Date.now }: InboxOptions) {
    if (!Number.isSafeInteger(retentionMs) || retentionMs < 1) {
      throw new ConfigInvalidError(`retentionMs: ${retentionMs} is not a whole number from 1`);
    }
    this.#db = db;
    this.#now = now;
    this.#retentionMs = retentionMs;
    db.exec(tables);
    this.#keep = db.prepare(
      'INSERT INTO outbox_inbox (id, handled_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    const forget = (table: string, name: string) =>
      db.prepare(`DELETE FROM ${table} WHERE ${name} IN (
        SELECT ${name} FROM ${table} WHERE handled_at < ? ORDER BY handled_at LIMIT ${forgetMax})`);
    this.#forget = [forget('outbox_inbox', 'id'), forget('outbox_inbox_newest', 'rowid')];
    this.#advance = db.prepare(`
      INSERT INTO outbox_inbox_newest (source, topic, key, seq, handled_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET seq = excluded.seq, handled_at = excluded.handled_at
        WHERE excluded.seq > seq`);
  }

  /**
   * Runs `work` in one IMMEDIATE transaction with the id, unless the id is known: what it writes
   * through `db` and the id are there together, or neither. Inside an open transaction of `db` it
   * joins that one. When `work` throws, everything of it is rolled back and the error is the
   * caller's: the record may come again.
   * @throws MESSAGE_UNKNOWN without an `outbox-event-id`, or with `newestOf` without `outbox-seq`
   *   and `outbox-source`; TRANSACTION_ASYNC when `work` is asynchronous (its writes are rolled
   *   back)
   */
  handle<T>(message: InboxMessage, work: () => T, options: HandleOptions = {}): InboxResult<T> {
    const id = eventIdOf(message);
    const place = options.newestOf === undefined ? null : placeOf(message, options.newestOf);
    const nowMs = this.#now();
    const transaction = this.#db.transaction((): InboxResult<T> => {
      const skipped = (status: 'duplicate' | 'stale') => ({ status, id, value: undefined });
      if (this.#keep.run(id, nowMs).changes === 0) return skipped('duplicate');
      if (place !== null && this.#advance.run(...place, nowMs).changes === 0) {
        return skipped('stale');
      }
      const value = work();
      if (isThenable(value)) {
        ignore(value); // what it does later is lost with it
        throw new TransactionAsyncError('the function given to handle() returned a promise');
      }
      for (const forget of this.#forget) forget.run(nowMs - this.#retentionMs);
      return { status: 'handled', id, value };
    });
    return transaction.immediate();
  }
}

const tables = `
  CREATE TABLE IF NOT EXISTS outbox_inbox (
    id         TEXT    PRIMARY KEY CHECK (length(id) = 36),
    handled_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS outbox_inbox_by_time ON outbox_inbox (handled_at);
  CREATE TABLE IF NOT EXISTS outbox_inbox_newest (
    source     TEXT    NOT NULL,
    topic      TEXT    NOT NULL,
    key        BLOB    NOT NULL,
    seq        INTEGER NOT NULL,
    handled_at INTEGER NOT NULL,
    PRIMARY KEY (source, topic, key)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS outbox_inbox_newest_by_time ON outbox_inbox_newest (handled_at)`;

/**
 * Makes the tables if they are not there.
 * @throws CONFIG_INVALID
 */
export function createInbox(options: InboxOptions): Inbox {
  return new Inbox(options);
}

/**
 * The id that the relay has put on a record, for an inbox in another database.
 * @throws MESSAGE_UNKNOWN
 */
export function eventIdOf(message: InboxMessage): string {
  const id = headerOf(message, 'outbox-event-id');
  if (id === '') throw new MessageUnknownError('the record has no outbox-event-id');
  if (/^[0-9a-f-]{36}$/i.test(id)) return id;
  throw new MessageUnknownError('the record has an outbox-event-id that is no UUID');
}

type Place = readonly [source: string, topic: string, key: Buffer, seq: number];

/** `null`: without a key there is no order. */
function placeOf(message: InboxMessage, topic: string): Place | null {
  const { key } = message;
  if (key === undefined || key === null) return null;
  const source = headerOf(message, 'outbox-source');
  const seq = headerOf(message, 'outbox-seq');
  if (source === '' || !/^[1-9][0-9]*$/.test(seq)) {
    throw new MessageUnknownError('the record has no outbox-source, or no outbox-seq');
  }
  return [source, topic, typeof key === 'string' ? Buffer.from(key) : key, Number(seq)];
}

/** Empty when there is none. */
function headerOf({ headers }: InboxMessage, name: string): string {
  const value = headers?.[name];
  const one = Array.isArray(value) ? value[0] : value;
  return one === undefined ? '' : one.toString();
}

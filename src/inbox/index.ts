/**
 * `outbox-relay/inbox`: for consumers. Handles each event once, though Kafka may give it twice: its
 * id is kept in the transaction that handles it.
 */
import { ConfigInvalidError, MessageUnknownError, TransactionAsyncError } from '../core/errors.ts';
import type { Database, Statement } from '../outbox/sqlite/database.ts';

/** What is used of a record, e.g. of kafkajs's `KafkaMessage`. */
export interface InboxMessage {
  readonly headers?:
    | Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>
    | undefined;
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

/** `handled` now, or a `duplicate` of one that was. */
export interface InboxResult<T> {
  readonly status: 'handled' | 'duplicate';
  readonly id: string;
  /** What the function returned; `undefined` of a duplicate. */
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
  readonly #forget: Statement;

  /** Use {@link createInbox}. */
  constructor({ db, retentionMs = week, now = Date.now }: InboxOptions) {
    if (!Number.isSafeInteger(retentionMs) || retentionMs < 1) {
      throw new ConfigInvalidError(`retentionMs: ${retentionMs} is not a whole number from 1`);
    }
    this.#db = db;
    this.#now = now;
    this.#retentionMs = retentionMs;
    db.exec(table);
    this.#keep = db.prepare(
      'INSERT INTO outbox_inbox (id, handled_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#forget = db.prepare(`
      DELETE FROM outbox_inbox WHERE id IN (
        SELECT id FROM outbox_inbox WHERE handled_at < ? ORDER BY handled_at LIMIT ${forgetMax})`);
  }

  /**
   * Runs `work` in one IMMEDIATE transaction with the id, unless the id is known: what it writes
   * through `db` and the id are there together, or neither. Inside an open transaction of `db` it
   * joins that one. When `work` throws, everything of it is rolled back and the error is the
   * caller's: the record may come again.
   * @throws MESSAGE_UNKNOWN without an `outbox-event-id`; TRANSACTION_ASYNC when `work` is
   *   asynchronous (its writes are rolled back)
   */
  handle<T>(message: InboxMessage, work: () => T): InboxResult<T> {
    const id = eventIdOf(message);
    const nowMs = this.#now();
    const transaction = this.#db.transaction((): InboxResult<T> => {
      if (this.#keep.run(id, nowMs).changes === 0) {
        return { status: 'duplicate', id, value: undefined };
      }
      const value = work();
      if (value instanceof Promise) {
        value.catch(() => {}); // what it does later is lost with it
        throw new TransactionAsyncError('the function given to handle() returned a promise');
      }
      this.#forget.run(nowMs - this.#retentionMs);
      return { status: 'handled', id, value };
    });
    return transaction.immediate();
  }
}

const table = `
  CREATE TABLE IF NOT EXISTS outbox_inbox (
    id         TEXT    PRIMARY KEY CHECK (length(id) = 36),
    handled_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS outbox_inbox_by_time ON outbox_inbox (handled_at)`;

/**
 * Makes the table if it is not there.
 * @throws CONFIG_INVALID
 */
export function createInbox(options: InboxOptions): Inbox {
  return new Inbox(options);
}

/**
 * The id that the relay has put on a record, for an inbox in another database.
 * @throws MESSAGE_UNKNOWN
 */
export function eventIdOf({ headers }: InboxMessage): string {
  const value = headers?.['outbox-event-id'];
  const one = Array.isArray(value) ? value[0] : value;
  const id = one === undefined ? '' : one.toString();
  if (/^[0-9a-f-]{36}$/i.test(id)) return id;
  const found = id === '' ? 'has no outbox-event-id' : 'has an outbox-event-id that is no UUID';
  throw new MessageUnknownError(`the record ${found}`);
}

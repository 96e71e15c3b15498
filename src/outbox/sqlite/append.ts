/** Inserting events: the same statements on the application's handle and on our own connection. */
import { EventInvalidError, type OutboxRelayError } from '../../core/errors.ts';
import { type AppendResult, type EncodedEvent, encodeHeaders } from '../../core/event.ts';
import { laneOf } from '../../core/lane.ts';
import type { EventAppender, OutboxIdentity } from '../store.ts';
import { assertSynchronousFull } from './checks.ts';
import type { Database, Statement } from './database.ts';
import { sqliteCode, toCommitError, toOutboxError } from './failures.ts';

/** Inserts one event into the open transaction. */
export class EventInserter {
  readonly #lanes: number;
  readonly #insert: Statement;
  readonly #findDedupe: Statement;
  readonly #keepDedupe: Statement;

  constructor(db: Database, lanes: number) {
    this.#lanes = lanes;
    this.#insert = db.prepare(`
      INSERT INTO outbox_events
        (id, topic, lane, created_at, partition, retries, delay_ms, headers, key, value)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#findDedupe = db
      .prepare('SELECT seq, id FROM outbox_dedupe WHERE key = ? AND expires_at > ?')
      .safeIntegers(false);
    this.#keepDedupe = db.prepare('INSERT OR REPLACE INTO outbox_dedupe VALUES (?, ?, ?, ?)');
  }

  insert(event: EncodedEvent): AppendResult {
    const { dedupe } = event;
    if (dedupe === null) return this.#store(event);
    const first = this.#findDedupe.get(dedupe.key, event.createdAtMs);
    if (first !== undefined) {
      return { status: 'duplicate', ...(first as { seq: number; id: string }) };
    }
    const result = this.#store(event);
    this.#keepDedupe.run(dedupe.key, result.seq, result.id, dedupe.expiresAtMs);
    return result;
  }

  #store(event: EncodedEvent): AppendResult {
    const { id, topic, createdAtMs, partition, retries, delayMs, key, value } = event;
    const lane = laneOf(event, this.#lanes);
    const headers = encodeHeaders(event.headers);
    const place = [id, topic, lane, createdAtMs, partition, retries, delayMs] as const;
    const { lastInsertRowid } = this.#insert.run(...place, headers, key, value);
    return { status: 'stored', seq: Number(lastInsertRowid), id };
  }
}

/**
 * A row that the table refused although it passed the door, as the error of its caller.
 * Anything else concerns the file.
 */
export function rowError(error: unknown): OutboxRelayError | null {
  if (!sqliteCode(error).startsWith('SQLITE_CONSTRAINT')) return null;
  return new EventInvalidError(`the table refused the event: ${(error as Error).message}`, {
    cause: error,
  });
}

/** Appends on the application's own handle: joins its open transaction, or commits by itself. */
export class HandleAppender implements EventAppender {
  readonly identity: OutboxIdentity;
  readonly #db: Database;
  readonly #inserter: EventInserter;
  readonly #insertAll: (events: readonly EncodedEvent[]) => AppendResult[];

  constructor(db: Database, identity: OutboxIdentity) {
    this.#db = db;
    this.identity = identity;
    this.#inserter = new EventInserter(db, identity.lanes);
    // better-sqlite3 makes this a SAVEPOINT inside an open transaction.
    this.#insertAll = db.transaction((events: readonly EncodedEvent[]) =>
      events.map((event) => this.#inserter.insert(event)),
    ).immediate;
  }

  append(events: readonly EncodedEvent[]): AppendResult[] {
    const joins = this.#db.inTransaction;
    try {
      // Inside a transaction the promise is that COMMIT's; it cannot be changed there either.
      if (!joins) assertSynchronousFull(this.#db);
      const only = events.length === 1 ? events[0] : undefined;
      if (only !== undefined && only.dedupe === null) return [this.#inserter.insert(only)];
      return this.#insertAll(events);
    } catch (error) {
      const doing = 'storing events';
      throw rowError(error) ?? (joins ? toOutboxError : toCommitError)(error, doing);
    }
  }
}

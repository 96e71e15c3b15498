/** Inserting events: the same statements on the application's handle and on our own connection. */
import { EventInvalidError, type OutboxRelayError } from '../../core/errors.ts';
import { type AppendResult, type EncodedEvent, encodeHeaders } from '../../core/event.ts';
import { laneOf } from '../../core/lane.ts';
import type { EventAppender, OutboxIdentity } from '../store.ts';
import { assertSynchronousFull } from './checks.ts';
import type { Database, Statement } from './database.ts';
import { sqliteCode, toCommitError, toOutboxError } from './failures.ts';
import { oldestCodeSql, refuseTooOld } from './migrate.ts';

/** Inserts one event into the open transaction. */
export class EventInserter {
  #lanes: number;
  readonly #readState: Statement;
  readonly #insert: Statement;
  readonly #findDedupe: Statement;
  readonly #keepDedupe: Statement;

  constructor(db: Database, lanes: number) {
    this.#lanes = lanes;
    this.#readState = db
      .prepare(`SELECT lanes, ${oldestCodeSql} AS oldest FROM outbox_meta`)
      .safeIntegers(false);
    this.#insert = db.prepare(`
      INSERT INTO outbox_events
        (id, topic, lane, created_at, partition, retries, delay_ms, headers, key, value)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#findDedupe = db
      .prepare('SELECT seq, id FROM outbox_dedupe WHERE key = ? AND expires_at > ?')
      .safeIntegers(false);
    this.#keepDedupe = db.prepare(`
      INSERT INTO outbox_dedupe (key, seq, id, expires_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (key) DO UPDATE
        SET seq = excluded.seq, id = excluded.id, expires_at = excluded.expires_at`);
  }

  /**
   * Reads the number of lanes again; true when another process has changed it. To be called where
   * the write lock is held: then the answer is good until the commit.
   * @throws SCHEMA_NEWER when another process has migrated the file beyond this code
   */
  lanesMoved(): boolean {
    const { lanes, oldest } = this.#readState.get() as { lanes: number; oldest: number };
    refuseTooOld(oldest);
    const moved = lanes !== this.#lanes;
    this.#lanes = lanes;
    return moved;
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
  if (!isRowError(error)) return null;
  return new EventInvalidError(`the table refused the event: ${(error as Error).message}`, {
    cause: error,
  });
}

function isRowError(error: unknown): boolean {
  return sqliteCode(error).startsWith('SQLITE_CONSTRAINT');
}

/** Of the row, or of a table that is not what this code knows; the file itself is in order. */
function isTablesWord(error: unknown): boolean {
  return isRowError(error) || sqliteCode(error) === 'SQLITE_ERROR';
}

/** Rolls an insertion back; never leaves this file. */
class LanesMoved extends Error {}

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
    this.#insertAll = db.transaction((events: readonly EncodedEvent[]) => {
      const results = events.map((event) => this.#inserter.insert(event));
      // Not before: reading first in a joined transaction would cost it its chance to wait.
      if (this.#inserter.lanesMoved()) throw new LanesMoved();
      return results;
    }).immediate;
  }

  append(events: readonly EncodedEvent[]): AppendResult[] {
    const joins = this.#db.inTransaction;
    try {
      // Inside a transaction the promise is that COMMIT's; it cannot be changed there either.
      if (!joins) assertSynchronousFull(this.#db);
      return this.#insertWithLanes(events);
    } catch (error) {
      const doing = 'storing events';
      throw rowError(error) ?? (joins ? toOutboxError : toCommitError)(error, doing);
    }
  }

  /** Once more when the lanes were changed since the last time: what was stored is taken back. */
  #insertWithLanes(events: readonly EncodedEvent[]): AppendResult[] {
    try {
      return this.#insertAll(events);
    } catch (error) {
      // A lane that is gone, or a newer schema, is refused by the table before they are looked at.
      const moved =
        error instanceof LanesMoved || (isTablesWord(error) && this.#inserter.lanesMoved());
      if (!moved) throw error;
      return this.#insertAll(events);
    }
  }
}

/**
 * Write transactions of our own connection, one after the other.
 *
 * SQLite's own busy wait blocks the event loop, so it is kept to a few milliseconds; longer waits
 * for another process's write lock happen here, asynchronously.
 */
import { type Clock, pause } from '../../core/clock.ts';
import { invariant, OutboxClosedError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Database, Statement } from './database.ts';
import { isBusy, toCommitError, toOutboxError } from './failures.ts';

const pauseMinMs = 1;
const pauseMaxMs = 20;

export class Writer {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  #last: Promise<unknown> = Promise.resolve();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
  }

  /**
   * Runs synchronous `work` in one IMMEDIATE transaction; resolves when it is durable.
   * @throws OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO, OUTBOX_CLOSED; OUTCOME_UNKNOWN when the COMMIT
   *   itself met an I/O error
   */
  write<T>(doing: string, work: () => T): Promise<T> {
    const mine = this.#last.then(() => this.#attempt(doing, work));
    // The next one waits for this one's end, whatever its result; the caller gets the error.
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #attempt<T>(doing: string, work: () => T): Promise<T> {
    const endMs = this.#clock.monotonic() + limits.writeWaitMsDefault;
    for (let pauseMs = pauseMinMs; ; pauseMs = Math.min(pauseMs * 2, pauseMaxMs)) {
      if (!this.#db.open) throw new OutboxClosedError(`${doing}: the outbox is closed`);
      try {
        this.#begin.run();
        break;
      } catch (error) {
        if (!isBusy(error) || this.#clock.monotonic() >= endMs) throw toOutboxError(error, doing);
      }
      await pause(this.#clock, pauseMs);
    }
    return this.#finish(doing, work);
  }

  #finish<T>(doing: string, work: () => T): T {
    let committing = false;
    try {
      const result = work();
      invariant(!(result instanceof Promise), 'a write transaction is synchronous', { doing });
      committing = true;
      this.#commit.run();
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors (full disk, I/O).
      if (this.#db.open && this.#db.inTransaction) this.#rollback.run();
      throw committing ? toCommitError(error, doing) : toOutboxError(error, doing);
    }
  }
}

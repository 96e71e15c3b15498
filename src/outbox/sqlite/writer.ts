/**
 * Write transactions of our own connection, one after the other.
 *
 * SQLite's own busy wait blocks the event loop, and sleeps for whole milliseconds where a commit of
 * another process takes a tenth of one. So the write lock is asked for without it, again and again
 * for a moment, then with pauses; both let the event loop go on.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, pause } from '../../core/clock.ts';
import { invariant, OutboxClosedError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Database, Statement } from './database.ts';
import { isBusy, isFull, toCommitError, toOutboxError } from './failures.ts';

/** How long the lock is asked for in every turn of the event loop: some commits of others. */
const eagerMs = 2;
const pauseMinMs = 1;
const pauseMaxMs = 20;

export class Writer {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #makeRoom: () => boolean;
  readonly #begin: Statement;
  readonly #waitNot: Statement;
  readonly #waitAgain: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  #last: Promise<unknown> = Promise.resolve();

  /** @param makeRoom called when the disk is full; whether there may be room now */
  constructor(db: Database, clock: Clock, makeRoom: () => boolean) {
    this.#db = db;
    this.#clock = clock;
    this.#makeRoom = makeRoom;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#waitNot = db.prepare('PRAGMA busy_timeout = 0');
    this.#waitAgain = db.prepare(`PRAGMA busy_timeout = ${limits.busyTimeoutMs}`);
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
  }

  /**
   * Runs synchronous `work` in one IMMEDIATE transaction; resolves when it is durable.
   * @throws OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO, OUTBOX_CLOSED; OUTCOME_UNKNOWN when the COMMIT
   *   itself met an I/O error
   */
  write<T>(doing: string, work: () => T): Promise<T> {
    return this.#queue(() => this.#withRoom(doing, work));
  }

  /** As `write`, for what may be turned away: it gets nothing of the room that is kept. */
  accept<T>(doing: string, work: () => T): Promise<T> {
    return this.#queue(() => this.#attempt(doing, work));
  }

  /** What settles and deletes must go on when the disk is full; `work` is run again then. */
  async #withRoom<T>(doing: string, work: () => T): Promise<T> {
    try {
      return await this.#attempt(doing, work);
    } catch (error) {
      if (!isFull(error) || !this.#makeRoom()) throw error;
      return this.#attempt(doing, work);
    }
  }

  #queue<T>(attempt: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(attempt);
    // The next one waits for this one's end, whatever its result; the caller gets the error.
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #attempt<T>(doing: string, work: () => T): Promise<T> {
    const startMs = this.#clock.monotonic();
    for (let pauseMs = pauseMinMs; ; ) {
      if (!this.#db.open) throw new OutboxClosedError(`${doing}: the outbox is closed`);
      if (this.#tryBegin(doing, startMs)) break;
      if (this.#clock.monotonic() - startMs < eagerMs) {
        await nextTurn();
        continue;
      }
      await pause(this.#clock, pauseMs);
      pauseMs = Math.min(pauseMs * 2, pauseMaxMs);
    }
    return this.#finish(doing, work);
  }

  /** False while another process has the write lock and there is time to wait for it. */
  #tryBegin(doing: string, startMs: number): boolean {
    try {
      this.#waitNot.get();
      this.#begin.run();
      return true;
    } catch (error) {
      const late = this.#clock.monotonic() - startMs >= limits.writeWaitMsDefault;
      if (!isBusy(error) || late) throw toOutboxError(error, doing);
      return false;
    } finally {
      this.#waitAgain.get(); // for reads, which wait for nothing but a recovery
    }
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

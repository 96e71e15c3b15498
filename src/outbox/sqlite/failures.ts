/** SQLite's errors in our words. Total: whatever is thrown comes back as an error to throw. */
import {
  FileDamagedError,
  FileUnusableError,
  OutboxBusyError,
  OutboxClosedError,
  OutboxFullError,
  OutboxIoError,
  OutboxRelayError,
  OutcomeUnknownError,
} from '../../core/errors.ts';

/** Extended result code, e.g. `SQLITE_BUSY_SNAPSHOT`; empty when it is not SQLite's error. */
export function sqliteCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : '';
}

export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error));
}

/** A failed read, write or sync: after it, whether a commit is durable is not known. */
function isIoFailure(error: unknown): boolean {
  return /^SQLITE_IOERR/.test(sqliteCode(error));
}

/**
 * Whether the disk has no room. SQLite says so, and calls it an I/O error where its index of the
 * log (`-shm`) cannot grow: at opening, and at every 4,096th page of the log (tried).
 */
export function isFull(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (/^SQLITE_(FULL|IOERR_SHMSIZE)/.test(sqliteCode(one))) return true;
  }
  return false;
}

/** What SQLite read is not what it has written. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error));
}

/**
 * Where rows are read of a file that may be damaged: SQLite refuses one whose damaged length claims
 * gigabytes as too big, or as out of memory. None of ours is that large.
 */
export function isUnreadable(error: unknown): boolean {
  return isDamage(error) || /^SQLITE_(NOMEM|TOOBIG)/.test(sqliteCode(error));
}

export function toOutboxError(error: unknown, doing: string): Error {
  if (error instanceof OutboxRelayError) return error;
  const code = sqliteCode(error);
  const message = `${doing}: ${error instanceof Error ? error.message : String(error)}`;
  const options = { cause: error, details: { sqlite: code } };
  if (isBusy(error)) return new OutboxBusyError(message, options);
  if (isFull(error)) return new OutboxFullError(message, options);
  if (/^SQLITE_CORRUPT/.test(code)) return new FileDamagedError(message, options);
  if (/^SQLITE_(NOTADB|CANTOPEN|READONLY|PERM|AUTH)/.test(code)) {
    return new FileUnusableError(message, options);
  }
  if (code !== '') return new OutboxIoError(message, options);
  // better-sqlite3's own errors have no code.
  if (error instanceof TypeError && /is not open/.test(error.message)) {
    return new OutboxClosedError(message, options);
  }
  if (error instanceof TypeError && /Cannot open database/.test(error.message)) {
    return new FileUnusableError(message, options);
  }
  return error instanceof Error ? error : new OutboxIoError(message, options);
}

/**
 * An error of a COMMIT, or of a statement that commits by itself. Where the index of the log cannot
 * grow the log itself is written: after a kill, who opens the file next takes it for committed.
 */
export function toCommitError(error: unknown, doing: string): Error {
  if (!isIoFailure(error)) return toOutboxError(error, doing);
  return new OutcomeUnknownError(`${doing}: the commit met an I/O error`, { cause: error });
}

import { describe, expect, it } from 'vitest';
import { OutboxBusyError } from '../../../src/core/errors.ts';
import { toCommitError, toOutboxError } from '../../../src/outbox/sqlite/failures.ts';

const sqlite = (code: string) => Object.assign(new Error(`said ${code}`), { code });
const codeOf = (error: Error) => (error as { code?: string }).code;

describe('an error of SQLite', () => {
  it.each([
    ['SQLITE_BUSY', 'OUTBOX_BUSY'],
    ['SQLITE_BUSY_SNAPSHOT', 'OUTBOX_BUSY'],
    ['SQLITE_LOCKED_SHAREDCACHE', 'OUTBOX_BUSY'],
    ['SQLITE_FULL', 'OUTBOX_FULL'],
    ['SQLITE_NOTADB', 'FILE_UNUSABLE'],
    ['SQLITE_CANTOPEN_ISDIR', 'FILE_UNUSABLE'],
    ['SQLITE_READONLY_DBMOVED', 'FILE_UNUSABLE'],
    ['SQLITE_PERM', 'FILE_UNUSABLE'],
    ['SQLITE_IOERR_FSYNC', 'OUTBOX_IO'],
    ['SQLITE_CORRUPT', 'FILE_DAMAGED'],
    ['SQLITE_SOMETHING_NEW', 'OUTBOX_IO'],
  ])('%s becomes %s, with its cause', (code, ours) => {
    const cause = sqlite(code);
    const error = toOutboxError(cause, 'storing events');
    expect(codeOf(error)).toBe(ours);
    expect(error.cause).toBe(cause);
    expect(error.message).toContain('storing events');
  });

  it('is unknown in its outcome when a COMMIT could not be written', () => {
    expect(codeOf(toCommitError(sqlite('SQLITE_IOERR_FSYNC'), 'x'))).toBe('OUTCOME_UNKNOWN');
    expect(codeOf(toCommitError(sqlite('SQLITE_BUSY'), 'x'))).toBe('OUTBOX_BUSY');
    expect(codeOf(toCommitError(sqlite('SQLITE_FULL'), 'x'))).toBe('OUTBOX_FULL');
  });
});

describe('another error', () => {
  it('of better-sqlite3 itself is told by its words', () => {
    const closed = new TypeError('The database connection is not open');
    expect(codeOf(toOutboxError(closed, 'x'))).toBe('OUTBOX_CLOSED');
    const missing = new TypeError('Cannot open database because the directory does not exist');
    expect(codeOf(toOutboxError(missing, 'x'))).toBe('FILE_UNUSABLE');
  });

  it('of ours passes as it is, and so does one of nobody’s', () => {
    const own = new OutboxBusyError('mine');
    expect(toOutboxError(own, 'x')).toBe(own);
    const bug = new RangeError('a bug');
    expect(toOutboxError(bug, 'x')).toBe(bug);
    expect(codeOf(toOutboxError('text', 'x'))).toBe('OUTBOX_IO');
  });
});

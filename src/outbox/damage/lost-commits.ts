/**
 * Commits that the index of a log names and that the log has not, or not whole. Looked for before
 * SQLite opens the file: whoever opens it first makes the index anew from what can be read, and
 * then nothing tells any more that there were others.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mayBeOpenHere } from '../sqlite/look.ts';
import { bytesOf } from './copies.ts';
import { scanWal } from './wal-file.ts';

/** Nothing to say is `null`; also while somebody writes. */
export function lostCommits(path: string): string | null {
  // Closing a descriptor drops the locks that SQLite has in this process.
  if (mayBeOpenHere(path)) return null;
  try {
    return whatIsLost(path);
  } catch (error) {
    // Whoever closes the file last removes both: then all of the log is in it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function whatIsLost(path: string): string | null {
  const before = headersIn(`${path}-shm`);
  const bytes = bytesOf(`${path}-wal`);
  if (before === null || bytes === null) return null;
  const log = openSync(`${path}-wal`, 'r');
  try {
    const { isShort, used } = scanWal(log, bytes, before);
    const after = headersIn(`${path}-shm`);
    if (!isShort || after === null || !after.equals(before)) return null;
    return `the log of changes is damaged behind page ${used}, before its last commit`;
  } finally {
    closeSync(log);
  }
}

/** The start of the index: what it says of the log's commits, and of those that were copied. */
const headersIn = (file: string) =>
  bytesOf(file) === null ? null : readFileSync(file).subarray(0, 100);

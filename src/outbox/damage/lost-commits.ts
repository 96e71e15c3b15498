/**
 * Commits that the index of a log names and that the log has not, or not whole. Looked for before
 * SQLite opens the file: whoever opens it first makes the index anew from what can be read, and
 * then nothing tells any more that there were others.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mayBeOpenHere } from '../sqlite/look.ts';
import { bytesOf } from './copies.ts';
import { scanWal } from './wal-file.ts';
import { pagesOnlyInLog } from './wal-index.ts';

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
  const index = headersIn(`${path}-shm`);
  if (index === null) return null;
  const found = lossBy(index, `${path}-wal`);
  return found !== null && headersIn(`${path}-shm`)?.equals(index) === true ? found : null;
}

function lossBy(index: Buffer, path: string): string | null {
  const bytes = bytesOf(path);
  if (bytes === null) {
    const missing = pagesOnlyInLog(index);
    return missing > 0 ? `the log of changes is gone, and ${missing} pages with it` : null;
  }
  const log = openSync(path, 'r');
  try {
    const { isShort, used } = scanWal(log, bytes, index);
    return isShort
      ? `the log of changes is damaged behind page ${used}, before its last commit`
      : null;
  } finally {
    closeSync(log);
  }
}

/** The start of the index: what it says of the log's commits, and of those that were copied. */
const headersIn = (file: string) =>
  bytesOf(file) === null ? null : readFileSync(file).subarray(0, 100);

/** A connection that changes nothing of its file, and who has a file open. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { refuseEmptied } from './checks.ts';
import type { Database, DatabaseConstructor } from './database.ts';

/**
 * A connection that may write removes its side files when it is closed; with nothing in the log
 * that changes nothing. With something in it, it would be copied back into the file, so such a
 * file is opened for reading only; its side files are there already.
 * @throws FILE_DAMAGED, and what SQLite throws
 */
export function openToLook(
  Constructor: DatabaseConstructor,
  path: string,
  timeoutMs: number,
): Database {
  const real = realpathSync(path);
  refuseEmptied(real);
  const readonly = ['-wal', '-journal'].some((suffix) => existsSync(real + suffix));
  const db = new Constructor(real, { readonly, fileMustExist: true, timeout: timeoutMs });
  try {
    db.pragma('query_only = ON');
    db.pragma('synchronous = FULL');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** By the descriptors of this process; by whose code one was opened cannot be told. */
export function mayBeOpenHere(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    return isOpenIn('/proc/self/fd', path);
  } catch {
    return true; // not Linux
  }
}

/**
 * Whether a process has the file open, of those that this user may look into. Nothing is known
 * where there is no `/proc`: `false`.
 */
export function isOpenAnywhere(path: string): boolean {
  if (!existsSync('/proc/self/fd')) return false;
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return isOpenIn(`/proc/${name}/fd`, path);
    } catch {
      return false; // another user's, or gone since
    }
  });
}

function isOpenIn(folder: string, path: string): boolean {
  const { dev, ino } = statSync(path, { bigint: true });
  return readdirSync(folder).some((descriptor) => {
    const open = statSync(`${folder}/${descriptor}`, { bigint: true, throwIfNoEntry: false });
    return open?.dev === dev && open.ino === ino;
  });
}

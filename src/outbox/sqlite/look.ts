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
  const file = fileIdOf(path);
  if (file === null) return false;
  try {
    return isOpenIn('/proc/self/fd', [file]);
  } catch {
    return true; // not Linux
  }
}

/** A file by what it is, whatever its names are. */
export interface FileId {
  readonly dev: bigint;
  readonly ino: bigint;
}

export function fileIdOf(path: string): FileId | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? null : { dev: stat.dev, ino: stat.ino };
}

/**
 * Other processes that have one of the files open, by number, of those that this user may look
 * into. Nothing is known where there is no `/proc`: none.
 */
export function openersOf(files: readonly FileId[]): number[] {
  if (!existsSync('/proc/self/fd')) return [];
  const others = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
  return others.filter((pid) => {
    try {
      return isOpenIn(`/proc/${pid}/fd`, files);
    } catch {
      return false; // another user's, or gone since
    }
  });
}

function isOpenIn(folder: string, files: readonly FileId[]): boolean {
  return readdirSync(folder).some((descriptor) => {
    try {
      const open = fileIdOf(`${folder}/${descriptor}`);
      return files.some((file) => file.dev === open?.dev && file.ino === open.ino);
    } catch {
      return false; // of a file system that is gone; not ours, then
    }
  });
}

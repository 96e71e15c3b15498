/**
 * Having a file alone, without changing a byte of it.
 *
 * Whoever has a database open in WAL holds a shared lock on it. An exclusive one is asked for by a
 * second name of the file, so that SQLite finds no log there: it reads none, copies none back and
 * removes none. While it is held nobody can open the file. A file whose first page is no database
 * cannot be locked this way, and by nobody else either: then open descriptors are looked for.
 */
import { existsSync, rmSync } from 'node:fs';
import { FileInUseError } from '../../core/errors.ts';
import type { Database, DatabaseConstructor } from '../sqlite/database.ts';
import { isBusy, isDamage } from '../sqlite/failures.ts';
import { type FileId, fileIdOf, openersOf } from '../sqlite/look.ts';
import { addName } from './copies.ts';

export interface Hold {
  /** Legal twice. */
  release(): void;
}

/**
 * @param alias a name that is free, in the same folder; it is there while the lock is held
 * @throws FILE_IN_USE, FILE_UNUSABLE
 */
export function holdAlone(Constructor: DatabaseConstructor, file: string, alias: string): Hold {
  if (!existsSync(file)) return { release: () => {} };
  addName(file, alias);
  try {
    return lock(Constructor, file, alias);
  } catch (error) {
    removeAlias(alias);
    throw error;
  }
}

/** As {@link holdAlone}, of a copy that is known under one name only. */
export function holdCopy(Constructor: DatabaseConstructor, file: string): Hold {
  return lock(Constructor, file, null);
}

function lock(Constructor: DatabaseConstructor, file: string, alias: string | null): Hold {
  let db: Database | null = null;
  const release = () => {
    db?.close();
    db = null;
    if (alias !== null) removeAlias(alias);
  };
  try {
    db = new Constructor(alias ?? file, { timeout: 0 });
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    release();
    if (isBusy(error)) throw inUse(file, error);
    if (!isDamage(error)) throw error;
    const id = fileIdOf(file);
    if (id !== null && openersOf([id]).length > 0) throw inUse(file);
  }
  return { release };
}

const pollMs = 20;

/**
 * Waits until nobody else has one of the files open. Who waits for the lock that is held on one has
 * it open, and once let in would take the log of whichever file has the name by then for its own.
 * @returns the processes that still have, after `limitMs`; those of other users are not seen
 */
export function waitForOpeners(files: readonly FileId[], limitMs: number): number[] {
  const endMs = performance.now() + limitMs;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const openers = openersOf(files);
    if (openers.length === 0 || !(performance.now() < endMs)) return openers;
    Atomics.wait(cell, 0, 0, pollMs);
  }
}

function inUse(file: string, cause?: unknown) {
  return new FileInUseError(`somebody has ${file} open`, { cause });
}

function removeAlias(alias: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(alias + suffix, { force: true });
}

/**
 * The lock of a repair: two would take each other's files away. On a file of its own, which is
 * removed while it is locked.
 * @throws FILE_IN_USE
 */
export function holdRepair(Constructor: DatabaseConstructor, file: string): Hold {
  const db = new Constructor(file, { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
    if (!existsSync(file)) throw new FileInUseError('another repair has just ended');
  } catch (error) {
    db.close();
    if (isBusy(error)) throw new FileInUseError('another repair is under way', { cause: error });
    throw error;
  }
  const release = () => {
    if (!db.open) return;
    if (process.platform !== 'win32') rmSync(file, { force: true });
    db.close();
    rmSync(file, { force: true });
  };
  return { release };
}

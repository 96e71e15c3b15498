/**
 * Whether the process that owns a lane lives, told by the kernel.
 *
 * An owner keeps an exclusive SQLite lock on a side file of its own. The kernel frees it when the
 * process dies, also across containers that share the volume, and keeps it while the process is
 * frozen. POSIX locks are dropped when the holder closes any descriptor of the file, so nothing in
 * the owner's process ever opens its side file again: owners of this process are known by name.
 *
 * Where a file that is open can be removed, it is removed while it is locked: whoever waits for
 * the lock finds out afterwards that the file is gone. On Windows it cannot be, as SQLite opens it,
 * so it is closed first. Between the two somebody else may open it; then it stays, and the last one
 * to close it removes it. An owner that is just starting has it open, so its file stays too. What
 * remains there: a lock that cannot be looked at counts as held, and Windows may free the locks of
 * a process some time after it has died. The length of a lease covers both.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OutboxIoError } from '../../core/errors.ts';
import type { Database, DatabaseConstructor } from './database.ts';
import { isBusy, toOutboxError } from './failures.ts';

const registryKey = Symbol.for('outbox-relay.owners');
const registry = globalThis as { [registryKey]?: Set<string> };
registry[registryKey] ??= new Set();
const ownersHere = registry[registryKey];

const triesMax = 5;
const lockTimeoutMs = 2_000;

/** How side files are removed on this system. */
export interface FileRemoval {
  /** Whether a file that SQLite has open can be removed. */
  readonly whileOpen: boolean;
  /** One that is not there is fine. Throws when it cannot be removed. */
  remove(file: string): void;
}

export function fileRemoval(platform: NodeJS.Platform): FileRemoval {
  const remove = (file: string) => rmSync(file, { force: true });
  return { whileOpen: platform !== 'win32', remove };
}

export class Presence {
  readonly #Constructor: DatabaseConstructor;
  readonly #path: string;
  readonly #removal: FileRemoval;

  constructor(
    Constructor: DatabaseConstructor,
    path: string,
    removal = fileRemoval(process.platform),
  ) {
    this.#Constructor = Constructor;
    this.#path = path;
    this.#removal = removal;
  }

  #sideFile(owner: string): string {
    return `${this.#path}-relay-${owner}`;
  }

  announce(owner: string): { withdraw(): Promise<void> } {
    this.#removeStale();
    const file = this.#sideFile(owner);
    const lock = this.#lock(file);
    ownersHere.add(file);
    const withdraw = async () => {
      if (!lock.open) return;
      try {
        this.#removeAndClose(file, lock);
      } finally {
        if (!lock.open) ownersHere.delete(file);
      }
    };
    return { withdraw };
  }

  /** @param lock holds the file's lock */
  #removeAndClose(file: string, lock: Database): void {
    if (this.#removal.whileOpen) {
      this.#removal.remove(file);
      lock.close();
      return;
    }
    lock.close();
    try {
      this.#removal.remove(file);
    } catch (error) {
      // Somebody has it open, or is removing it.
      if (!isOneOf(error, ['EBUSY', 'EPERM', 'EACCES'])) throw error;
    }
  }

  /** Another process's clean-up may remove the file before it is locked: then once more. */
  #lock(file: string): Database {
    for (let tries = 0; tries < triesMax; tries += 1) {
      let lock: Database | null = null;
      try {
        lock = new this.#Constructor(file, { timeout: lockTimeoutMs });
        lock.exec('BEGIN EXCLUSIVE');
        if (exists(file)) return lock;
        lock.close();
      } catch (error) {
        lock?.close();
        // Removed between opening and locking: SQLite calls that an I/O error.
        if (exists(file) || tries + 1 === triesMax) throw toOutboxError(error, `locking ${file}`);
      }
    }
    throw new OutboxIoError(`${file} disappears while it is being locked`);
  }

  isAlive(owner: string): boolean {
    return this.#isLocked(this.#sideFile(owner));
  }

  /** Whether any relay of this file lives, owning a lane or not. */
  isAnybodyAlive(): boolean {
    return this.#sideFiles().some((file) => this.#isLocked(file));
  }

  /** Removes the file when nobody holds it. */
  #isLocked(file: string): boolean {
    if (ownersHere.has(file)) return true;
    if (!exists(file)) return false;
    let probe: Database | null = null;
    try {
      probe = new this.#Constructor(file, { timeout: 0 });
      probe.exec('BEGIN EXCLUSIVE');
      this.#removeAndClose(file, probe);
      return false;
    } catch (error) {
      if (isBusy(error) || !this.#removal.whileOpen) return true;
      // Withdrawn or cleaned up since it was seen.
      if (!exists(file)) return false;
      // It was not locked; who may only read the folder leaves it to others.
      if (isOneOf(error, ['EACCES', 'EPERM', 'EROFS'])) return false;
      throw toOutboxError(error, `looking at ${file}`);
    } finally {
      probe?.close();
    }
  }

  /** Side files of relays that died without owning a lane are looked at by nobody else. */
  #removeStale(): void {
    for (const file of this.#sideFiles()) this.#isLocked(file);
  }

  #sideFiles(): string[] {
    const prefix = `${basename(this.#path)}-relay-`;
    return readdirSync(dirname(this.#path))
      .filter((name) => name.startsWith(prefix) && !name.endsWith('-journal'))
      .map((name) => join(dirname(this.#path), name));
  }
}

function isOneOf(error: unknown, codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

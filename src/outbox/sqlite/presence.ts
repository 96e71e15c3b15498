/**
 * Whether the process that owns a lane lives, told by the kernel.
 *
 * An owner keeps an exclusive SQLite lock on a side file of its own. The kernel frees it when the
 * process dies, also across containers that share the volume, and keeps it while the process is
 * frozen. POSIX locks are dropped when the holder closes any descriptor of the file, so nothing in
 * the owner's process ever opens its side file again: owners of this process are known by name.
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

export class Presence {
  readonly #Constructor: DatabaseConstructor;
  readonly #path: string;

  constructor(Constructor: DatabaseConstructor, path: string) {
    this.#Constructor = Constructor;
    this.#path = path;
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
      rmSync(file, { force: true });
      lock.close();
      ownersHere.delete(file);
    };
    return { withdraw };
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
        throw toOutboxError(error, `locking ${file}`);
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
      // Still locked by us: an owner that is just starting sees afterwards that it is gone.
      rmSync(file, { force: true });
      return false;
    } catch (error) {
      if (isBusy(error)) return true;
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

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

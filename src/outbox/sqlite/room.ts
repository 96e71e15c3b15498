/**
 * Bounds at the door: how many events may wait, how large the file may be, how much of the disk
 * must stay free. Looked at once in each transaction that stores, while the write lock is held.
 *
 * The log of changes (`-wal`) takes room twice: its own, and that of what it has yet to copy into
 * the file. Under a slow reader that is most of it, and a disk without that room could never copy
 * it back: the log would only grow. So the second is taken off what is free.
 */
import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { OutboxFullError, type OutboxRelayError } from '../../core/errors.ts';
import type { EncodedEvent } from '../../core/event.ts';
import type { Bounds } from '../store.ts';
import type { Database, Statement } from './database.ts';

/** Asking the file system costs more than a commit's own statements. */
const diskAgeMaxMs = 100;
/** Of a row without key, value and headers, with its index; measured, rounded up. */
const rowBytes = 128;
/** Pages that a commit writes besides its rows; measured, rounded up. */
const commitBytes = 32 * 1_024;

export interface RoomParts {
  readonly db: Database;
  readonly path: string;
  readonly bounds: Bounds;
  readonly clock: Clock;
}

/** One bound, and how much more there may be. */
interface Use {
  readonly name: 'events' | 'bytes' | 'freeDiskBytes';
  readonly bound: number;
  left: number;
}

export class Room {
  readonly #parts: RoomParts;
  readonly #waiting: Statement;
  readonly #pages: Statement;
  readonly #freePages: Statement;
  readonly #pageBytes: number;
  #disk = { leftBytes: 0, atMs: -Infinity };
  /** Stored since the disk was looked at. */
  #spentBytes = 0;

  constructor(parts: RoomParts) {
    const { db } = parts;
    this.#parts = parts;
    const number = (sql: string) => db.prepare(sql).pluck().safeIntegers(false);
    this.#waiting = number(`
      SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'outbox_events'), 0)
        - (SELECT sum(delivered + removed) FROM outbox_lanes)`);
    this.#pages = number('PRAGMA page_count');
    this.#freePages = number('PRAGMA freelist_count');
    this.#pageBytes = number('PRAGMA page_size').get() as number;
  }

  /** After storing. @throws OUTBOX_FULL when it was too much: the caller's events go back */
  check(stored: readonly EncodedEvent[]): void {
    this.#spentBytes += stored.reduce((sum, event) => sum + bytesOf(event), commitBytes);
    for (const use of this.#uses()) if (use.left < 0) throw full(use);
  }

  /** Before storing: what fits, event by event. */
  allowance(): Allowance {
    const uses = [...this.#uses()];
    this.#spentBytes += commitBytes;
    const spend = (bytes: number) => {
      this.#spentBytes += bytes;
    };
    return new Allowance(uses, spend);
  }

  *#uses(): Generator<Use> {
    const { events, bytes, freeDiskBytes } = this.#parts.bounds;
    if (events !== undefined) {
      const left = events - (this.#waiting.get() as number);
      yield { name: 'events', bound: events, left };
    }
    if (bytes !== undefined) {
      yield { name: 'bytes', bound: bytes, left: bytes - this.#fileBytes() };
    }
    if (freeDiskBytes !== undefined && freeDiskBytes > 0) {
      yield { name: 'freeDiskBytes', bound: freeDiskBytes, left: this.#leftOfDisk(freeDiskBytes) };
    }
  }

  /** Pages in use, and the log of changes beside them: a slow reader keeps that one growing. */
  #fileBytes(): number {
    const used = (this.#pages.get() as number) - (this.#freePages.get() as number);
    return used * this.#pageBytes + walBytesOf(this.#parts.path);
  }

  /** Measured anew when it is old, and whenever the bound may be near. */
  #leftOfDisk(bound: number): number {
    const nowMs = this.#parts.clock.monotonic();
    const isOld = nowMs - this.#disk.atMs > diskAgeMaxMs;
    if (isOld || this.#spentBytes * 2 >= this.#disk.leftBytes) {
      this.#disk = { leftBytes: this.#freeBytes() - bound, atMs: nowMs };
      this.#spentBytes = 0;
    }
    return this.#disk.leftBytes - this.#spentBytes;
  }

  #freeBytes(): number {
    const { path } = this.#parts;
    const yetToCopy = (this.#pages.get() as number) * this.#pageBytes - sizeOf(path);
    try {
      const { bavail, bsize } = statfsSync(dirname(path));
      return bavail * bsize - Math.max(0, yetToCopy);
    } catch {
      return Infinity; // a file system that does not tell: SQLite says when it is full
    }
  }
}

/** What one transaction may still take. */
export class Allowance {
  readonly #uses: readonly Use[];
  readonly #spend: (bytes: number) => void;

  constructor(uses: readonly Use[], spend: (bytes: number) => void) {
    this.#uses = uses;
    this.#spend = spend;
  }

  /** Why the event does not fit, with it counted; `null`: it does. */
  refusal(event: EncodedEvent): OutboxRelayError | null {
    const bytes = bytesOf(event);
    for (const { name, bound, left } of this.#uses) {
      const withIt = left - (name === 'events' ? 1 : bytes);
      if (withIt < 0) return full({ name, bound, left: withIt });
    }
    return null;
  }

  /** The event was stored. */
  take(event: EncodedEvent): void {
    const bytes = bytesOf(event);
    for (const use of this.#uses) use.left -= use.name === 'events' ? 1 : bytes;
    this.#spend(bytes);
  }
}

function bytesOf({ key, value, headers }: EncodedEvent): number {
  let bytes = rowBytes + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, header] of headers) bytes += name.length + (header?.length ?? 0);
  return bytes;
}

/** Looked at by its name: opening it would drop SQLite's locks. */
const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Bytes of the log of changes; 0 when there is none. */
export const walBytesOf = (path: string) => sizeOf(`${path}-wal`);

const units = { events: 'events wait', bytes: 'bytes are used', freeDiskBytes: 'bytes are free' };

function full({ name, bound, left }: Use): OutboxRelayError {
  const isLeast = name === 'freeDiskBytes';
  const now = isLeast ? bound + left : bound - left;
  const than = isLeast ? 'at least' : 'at most';
  const message = `${now} ${units[name]}, and bounds.${name} says ${than} ${bound}`;
  return new OutboxFullError(message, { details: { bound: name, limit: bound, now } });
}

/**
 * Bounds at the door: how many events may wait, how large the file may be, how much of the disk
 * must stay free. Looked at once in each transaction that stores, while the write lock is held.
 */
import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { OutboxFullError } from '../../core/errors.ts';
import type { EncodedEvent } from '../../core/event.ts';
import type { Bounds } from '../store.ts';
import type { Database, Statement } from './database.ts';

/** Asking the file system costs more than a commit's own statements. */
const diskAgeMaxMs = 100;

export interface RoomParts {
  readonly db: Database;
  readonly path: string;
  readonly bounds: Bounds;
  readonly clock: Clock;
}

interface Use {
  readonly name: 'events' | 'bytes' | 'freeDiskBytes';
  readonly bound: number;
  readonly now: number;
  /** How much more there may be. */
  readonly left: number;
}

export class Room {
  readonly #parts: RoomParts;
  readonly #waiting: Statement;
  #disk: { readonly freeBytes: number; readonly atMs: number } | null = null;

  constructor(parts: RoomParts) {
    this.#parts = parts;
    this.#waiting = parts.db
      .prepare(`
        SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'outbox_events'), 0)
          - (SELECT sum(delivered + removed) FROM outbox_lanes)`)
      .pluck()
      .safeIntegers(false);
  }

  /** After storing. @throws OUTBOX_FULL when it was too much: the caller's events go back */
  check(): void {
    for (const { name, bound, now, left } of this.#uses()) {
      if (left < 0) throw full(name, bound, now);
    }
  }

  /** How many of the events fit, from the first one on, and what the others are told. */
  fit(events: readonly EncodedEvent[]): { count: number; refusal: Error | null } {
    let count = events.length;
    let refusal: Error | null = null;
    for (const { name, bound, now, left } of this.#uses()) {
      const fits = name === 'events' ? Math.max(0, left) : prefix(events, left);
      if (fits >= count) continue;
      count = fits;
      refusal = full(name, bound, now);
    }
    return { count, refusal };
  }

  *#uses(): Generator<Use> {
    const { events, bytes, freeDiskBytes } = this.#parts.bounds;
    if (events !== undefined) {
      const now = Number(this.#waiting.get());
      yield { name: 'events', bound: events, now, left: events - now };
    }
    if (bytes !== undefined) {
      const now = this.#fileBytes();
      yield { name: 'bytes', bound: bytes, now, left: bytes - now };
    }
    if (freeDiskBytes !== undefined && freeDiskBytes > 0) {
      const now = this.#freeBytes();
      yield { name: 'freeDiskBytes', bound: freeDiskBytes, now, left: now - freeDiskBytes };
    }
  }

  /** Pages in use, and the log of changes beside them: a slow reader keeps that one growing. */
  #fileBytes(): number {
    const { db, path } = this.#parts;
    const pragma = (name: string) => Number(db.pragma(name, { simple: true }));
    const used = (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
    return used + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
  }

  #freeBytes(): number {
    const { clock, path } = this.#parts;
    const nowMs = clock.monotonic();
    if (this.#disk === null || nowMs - this.#disk.atMs > diskAgeMaxMs) {
      const { bavail, bsize } = statfsSync(dirname(path));
      this.#disk = { freeBytes: bavail * bsize, atMs: nowMs };
    }
    return this.#disk.freeBytes;
  }
}

/** Events of which the bytes fit together. */
function prefix(events: readonly EncodedEvent[], bytesMax: number): number {
  let bytes = 0;
  for (const [index, { key, value, headers }] of events.entries()) {
    bytes += rowBytes + (key?.length ?? 0) + (value?.length ?? 0);
    for (const [name, header] of headers) bytes += name.length + (header?.length ?? 0);
    if (bytes > bytesMax) return index;
  }
  return events.length;
}

/** Of a row without key, value and headers, with its index; measured, rounded up. */
const rowBytes = 128;

const units = { events: 'events wait', bytes: 'bytes are used', freeDiskBytes: 'bytes are free' };

function full(name: Use['name'], bound: number, now: number) {
  const than = name === 'freeDiskBytes' ? 'at least' : 'at most';
  const message = `${now} ${units[name]}, and bounds.${name} says ${than} ${bound}`;
  return new OutboxFullError(message, { details: { bound: name, limit: bound, now } });
}

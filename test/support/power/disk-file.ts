/** One file of a disk: what is surely on it, and the changes of which that is not known. */
import type { Random } from '../random.ts';

/** A write, or with `bytes: null` a change of the file's length to `at`. */
export interface Change {
  at: number;
  bytes: Buffer | null;
  /** It was made before whatever is looked at; a sync promises nothing about the others. */
  done: boolean;
  /** A sync failed that should have kept it: Linux does not try again at the next one. */
  forsaken: boolean;
}

export interface CutCounts {
  /** Writes and changes of length that were made, and that no sync had confirmed. */
  unsyncedWrites: number;
  /** Those that were under way: their process was killed in or before them. */
  undoneWrites: number;
  /**
   * Sectors that the made ones touched, by what came of them: the last that was made there, an
   * older state, or a mixture.
   */
  kept: number;
  dropped: number;
  torn: number;
}

export const noCounts: Readonly<CutCounts> = {
  ...{ unsyncedWrites: 0, undoneWrites: 0 },
  ...{ kept: 0, dropped: 0, torn: 0 },
};

/** How unkind a cut is. */
export interface Cut {
  readonly random: Random;
  /** What a disk writes at once. */
  readonly sectorBytes: number;
  /** How probably the newest state of a sector has reached the disk. */
  readonly keeps: number;
  /** Whether what is unsynced of this file is worth a cut. */
  readonly counts: (name: string) => boolean;
}

const tornChance = 0.25;

/** Bytes that grow; what was never written is zero. */
export class Image {
  #bytes: Buffer;
  #length: number;

  constructor(bytes: Buffer) {
    this.#bytes = Buffer.from(bytes);
    this.#length = bytes.length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  write(at: number, bytes: Buffer): void {
    this.resize(Math.max(this.#length, at + bytes.length));
    bytes.copy(this.#bytes, at);
  }

  resize(length: number): void {
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(length, this.#bytes.length * 2));
      this.bytes.copy(larger);
      this.#bytes = larger;
    }
    if (length < this.#length) this.#bytes.fill(0, length, this.#length);
    this.#length = length;
  }

  apply({ at, bytes }: Change): void {
    if (bytes === null) this.resize(at);
    else this.write(at, bytes);
  }
}

export class DiskFile {
  inode: number | null;
  #durable: Image;
  #pending: Change[] = [];

  /** @param inode `null`: not known before somebody opens it */
  constructor(inode: number | null, bytes: Buffer = Buffer.alloc(0)) {
    this.inode = inode;
    this.#durable = new Image(bytes);
  }

  get pending(): readonly Change[] {
    return this.#pending;
  }

  add(at: number, bytes: Buffer | null): Change {
    const change = { at, bytes, done: false, forsaken: false };
    this.#pending.push(change);
    return change;
  }

  remove(change: Change): void {
    this.#pending = this.#pending.filter((other) => other !== change);
  }

  /** What a sync that begins now may promise. */
  promised(): Change[] {
    return this.#pending.filter(({ done, forsaken }) => done && !forsaken);
  }

  /** The sync of these changes went well: they are on the disk, over what came before them. */
  keep(changes: readonly Change[]): void {
    const kept = new Set(changes);
    const left: Change[] = [];
    for (const change of this.#pending) {
      if (!kept.has(change)) {
        left.push(change);
        continue;
      }
      this.#durable.apply(change);
      left.splice(0, left.length, ...left.flatMap((older) => without(older, change)));
    }
    this.#pending = left;
  }

  /** The sync of these failed. Lengths are in the journal, which is written again. */
  forsake(changes: readonly Change[]): void {
    for (const change of changes) change.forsaken = change.bytes !== null;
  }

  /** As a process reads it. */
  seen(): Buffer {
    const image = new Image(this.#durable.bytes);
    for (const change of this.#pending) image.apply(change);
    return image.bytes;
  }

  /** What the disk may have after a power cut. Adds to the counts. */
  cut(cut: Cut, counts: CutCounts): Buffer {
    const { random } = cut;
    const image = new Image(this.#durable.bytes);
    // Lengths are metadata, which a journal of the file system keeps in their order.
    const lengths = this.#pending.filter(({ bytes }) => bytes === null).length;
    let survivors = random.between(0, lengths);
    let writes: Change[] = [];
    for (const change of this.#pending) {
      if (change.bytes !== null) writes.push(change);
      else if (survivors > 0) {
        survivors -= 1;
        cutWrites(image, writes, { cut, counts });
        image.apply(change);
        writes = [];
      }
    }
    cutWrites(image, writes, { cut, counts });
    const made = this.#pending.filter(({ done }) => done).length;
    counts.unsyncedWrites += made;
    counts.undoneWrites += this.#pending.length - made;
    // Some file systems keep the new length before the new bytes: zeros are there then.
    const length = Math.max(0, ...writes.map(endOf));
    if (length > image.bytes.length && random.chance(0.3)) image.resize(length);
    return Buffer.from(image.bytes);
  }
}

const endOf = ({ at, bytes }: Change) => at + (bytes?.length ?? 0);

/**
 * What is left of an older change when a newer one is on the disk. One that was never done is of a
 * process that died in it: whoever wrote there later had a lock that the dead one had lost.
 */
function without(older: Change, newer: Change): Change[] {
  if (older.bytes === null) return [older];
  const { at, bytes } = older;
  const end = at + bytes.length;
  const newerEnd = newer.bytes === null ? Number.POSITIVE_INFINITY : newer.at + newer.bytes.length;
  if (newer.at >= end || newerEnd <= at) return [older];
  const parts: Change[] = [];
  if (newer.at > at) parts.push({ ...older, bytes: bytes.subarray(0, newer.at - at) });
  if (newerEnd < end) parts.push({ ...older, at: newerEnd, bytes: bytes.subarray(newerEnd - at) });
  return parts;
}

interface Part {
  readonly at: number;
  readonly bytes: Buffer;
  readonly done: boolean;
}

/** Each sector by itself has one of the states that it went through, or two of them mixed. */
function cutWrites(
  image: Image,
  writes: readonly Change[],
  { cut, counts }: { cut: Cut; counts: CutCounts },
): void {
  const { random, keeps } = cut;
  for (const states of bySector(writes, cut.sectorBytes).values()) {
    const newest = random.chance(keeps);
    const reached = newest ? states.length : random.between(0, states.length - 1);
    for (const { at, bytes } of states.slice(0, reached)) image.write(at, bytes);
    const next = states[reached];
    const torn = next !== undefined && random.chance(tornChance);
    if (torn) image.write(next.at, next.bytes.subarray(0, random.between(0, next.bytes.length)));
    const made = states.findLastIndex(({ done }) => done) + 1;
    if (made === 0) continue;
    if (reached >= made) counts.kept += 1;
    else counts[torn ? 'torn' : 'dropped'] += 1;
  }
}

function bySector(writes: readonly Change[], sectorBytes: number): Map<number, Part[]> {
  const sectors = new Map<number, Part[]>();
  for (const { at, bytes, done } of writes) {
    if (bytes === null) continue;
    for (let from = 0; from < bytes.length; ) {
      const sector = Math.floor((at + from) / sectorBytes);
      const to = Math.min(bytes.length, (sector + 1) * sectorBytes - at);
      const states = sectors.get(sector) ?? [];
      states.push({ at: at + from, bytes: bytes.subarray(from, to), done });
      sectors.set(sector, states);
      from = to;
    }
  }
  return sectors;
}

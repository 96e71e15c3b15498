/**
 * The log of changes (`-wal`) of a damaged file, read from a copy: its pages up to the last commit
 * that can be trusted, and what stands behind a damaged one.
 *
 * SQLite itself ends at the first page whose checksum does not fit, and forgets all commits behind
 * it. Each checksum continues the one before, as stored, so that pages behind a damaged one can
 * still be told from leftovers: those of whole commits may hold events that nothing else has.
 * Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
import { fstatSync, ftruncateSync, readSync } from 'node:fs';
import type { LogFacts } from '../integrity.ts';
import { readWhole, writeWhole } from './copies.ts';
import { indexOf, saltsIn } from './wal-index.ts';
import { addTo, type Sum } from './wal-sum.ts';

const headerBytes = 32;
const frameHeaderBytes = 24;
const magics: readonly number[] = [0x377f0682, 0x377f0683];

export interface WalScan extends LogFacts {
  readonly pageBytes: number;
  /** Pages of the database at the last trusted commit, or as the file has it; 0 without one. */
  readonly databasePages: number;
  /** Newest version of each page in whole commits behind a damaged one: number → place. */
  readonly behind: ReadonlyMap<number, number>;
  /** The same of the trusted commits. */
  readonly trusted: ReadonlyMap<number, number>;
  /** Pages that the file has already, when that is more than can be trusted; otherwise 0. */
  readonly copied: number;
  /** Pages of the log that are damaged, and those of the commit that the first one cuts off. */
  readonly bad: number;
  /** Whether the index of the log knows of commits that cannot be trusted, or are not there. */
  readonly isShort: boolean;
}

type Pages = Map<number, number>;
const empty = { pages: 0, used: 0, suspect: 0, pageBytes: 0, databasePages: 0 };

/** @param file descriptor of the copy @param bytes its length @param shm the index, or `null` */
export function scanWal(file: number, bytes: number, shm: Buffer | null): WalScan {
  const header = Buffer.alloc(headerBytes);
  const none: WalScan = {
    ...empty,
    ...{ behind: new Map(), trusted: new Map(), bad: 0, copied: 0, isShort: false },
  };
  if (readSync(file, header, 0, headerBytes, 0) < headerBytes) return headless(file, shm, none);
  const pageBytes = header.readUInt32BE(8);
  const big = header.readUInt32BE(0) === magics[1];
  const legal = magics.includes(header.readUInt32BE(0)) && isPageSize(pageBytes);
  const sum = legal ? addTo([0, 0], header.subarray(0, 24), big) : null;
  if (sum === null || !fits(sum, header, 24)) {
    const suspect = Math.floor(bytes / 4_096);
    return headless(file, shm, { ...none, pages: suspect, suspect });
  }
  const salts = header.subarray(16, 24);
  const reader = new FrameReader({ file, pageBytes, salts, big });
  const { end, used, newest, ...last } = reader.trusted(sum);
  const index = indexOf(shm, salts);
  const isShort = index !== null && index.committed > used;
  const copied = index !== null && index.copied > used ? index.copied : 0;
  const rest = reader.rest(end, copied);
  const databasePages = copied > 0 ? Number(index?.databasePages) : last.databasePages;
  const facts = { pages: end + rest.ours, used, pageBytes, databasePages, copied, isShort };
  const all = { ...facts, trusted: newest, behind: rest.behind, bad: rest.bad + end - used };
  // The last commit is the last that can be trusted: what stands behind it never was one of these.
  if (index?.committed === used && index.hasCommit)
    return { ...all, suspect: 0, behind: new Map() };
  const missing = Math.max(0, (index?.committed ?? 0) - Math.max(used, copied));
  return { ...all, suspect: Math.max(rest.suspect, missing) };
}

/** One whose start is damaged or gone: what of it was not copied yet, by its index. */
function headless(file: number, shm: Buffer | null, none: WalScan): WalScan {
  const salts = saltsIn(shm);
  const index = indexOf(shm, salts);
  if (index === null || !isPageSize(index.pageBytes)) return none;
  const { committed, copied, pageBytes, big } = index;
  if (committed <= copied) return { ...none, suspect: 0 };
  const rest = new FrameReader({ file, pageBytes, salts, big }).rest(0, copied);
  const suspect = Math.max(rest.suspect, committed - copied);
  return { ...none, pages: rest.ours, suspect, pageBytes, isShort: true, behind: rest.behind };
}

export const isPageSize = (bytes: number) =>
  bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0;

interface FrameSource {
  readonly file: number;
  readonly pageBytes: number;
  readonly salts: Buffer;
  readonly big: boolean;
}

interface Rest {
  readonly ours: number;
  readonly suspect: number;
  readonly bad: number;
  readonly behind: Pages;
}

class FrameReader {
  readonly #source: FrameSource;
  readonly #frame: Buffer;

  constructor(source: FrameSource) {
    this.#source = source;
    this.#frame = Buffer.alloc(frameHeaderBytes + source.pageBytes);
  }

  /** Up to the first that does not fit, as SQLite reads it. */
  trusted(first: Sum): { end: number; used: number; databasePages: number; newest: Pages } {
    let sum = first;
    let used = 0;
    let databasePages = 0;
    const newest: Pages = new Map();
    let pending: [number, number][] = [];
    for (let index = 0; ; index += 1) {
      const next = this.#read(index) ? this.#sumAfter(sum) : null;
      if (next === null || !this.#isOurs() || !fits(next, this.#frame, 16)) {
        return { end: index, used, databasePages, newest };
      }
      sum = next;
      pending.push([this.#frame.readUInt32BE(0), index]);
      const size = this.#frame.readUInt32BE(4);
      if (size === 0) continue;
      for (const [page, place] of pending) newest.set(page, place);
      pending = [];
      used = index + 1;
      databasePages = size;
    }
  }

  /**
   * Behind it: each is compared with what the one before it says of itself.
   * @param copied pages that the file has already: no commit of theirs can be lost
   */
  rest(from: number, copied: number): Rest {
    const behind: Pages = new Map();
    let ours = 0;
    let suspect = 0;
    let bad = 0;
    let seed: Sum | null = null;
    let pending: [number, number][] = [];
    for (let index = from; this.#read(index); index += 1) {
      const good = seed !== null && this.#isOurs() && fits(this.#sumAfter(seed), this.#frame, 16);
      if (this.#isOurs()) ours += 1;
      if (this.#isOurs() && index >= copied) suspect += 1;
      seed = [this.#frame.readUInt32BE(16), this.#frame.readUInt32BE(20)];
      if (!good) bad += 1;
      if (!good || index < copied) continue;
      pending.push([this.#frame.readUInt32BE(0), index]);
      if (this.#frame.readUInt32BE(4) === 0) continue;
      for (const [page, place] of pending) behind.set(page, place);
      pending = [];
    }
    const isCut = ours === 0 && copied === 0 && this.#isCut(from);
    return { ours: isCut ? 1 : ours, suspect: isCut ? 1 : suspect, bad, behind };
  }

  /** Half a page at the end was cut off, or was never finished. */
  #isCut(index: number): boolean {
    const { file } = this.#source;
    const { length } = this.#frame;
    const got = readSync(file, this.#frame, 0, length, headerBytes + index * length);
    return got >= frameHeaderBytes && got < length && this.#isOurs();
  }

  #read(index: number): boolean {
    const { file } = this.#source;
    const { length } = this.#frame;
    return readSync(file, this.#frame, 0, length, headerBytes + index * length) === length;
  }

  #isOurs(): boolean {
    return this.#frame.subarray(8, 16).equals(this.#source.salts);
  }

  #sumAfter(sum: Sum): Sum {
    const { big } = this.#source;
    return addTo(addTo(sum, this.#frame.subarray(0, 8), big), this.#frame.subarray(24), big);
  }
}

const fits = ([a, b]: Sum, bytes: Buffer, at: number) =>
  bytes.readUInt32BE(at) === a && bytes.readUInt32BE(at + 4) === b;

/** Where page bytes of a place in the log are. */
export const offsetOf = (place: number, pageBytes: number) =>
  headerBytes + place * (frameHeaderBytes + pageBytes) + frameHeaderBytes;

/**
 * Brings a copy of the database to the last trusted commit, as SQLite would. A file that is further
 * already keeps its pages; only what was cut off from it comes from the log.
 */
export function applyWal(wal: number, scan: WalScan, database: number): void {
  const { trusted, copied, pageBytes, databasePages } = scan;
  const bytes = fstatSync(database).size;
  const page = Buffer.alloc(pageBytes);
  for (const [number, place] of trusted) {
    const at = (number - 1) * pageBytes;
    if (number > databasePages || (copied > 0 && at < bytes)) continue;
    readWhole(wal, page, offsetOf(place, pageBytes));
    writeWhole(database, page, at);
  }
  if (copied === 0 && trusted.size > 0) ftruncateSync(database, databasePages * pageBytes);
}

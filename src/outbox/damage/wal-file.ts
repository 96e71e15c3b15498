/**
 * The log of changes (`-wal`) of a damaged file, read from a copy: its pages up to the last commit
 * that can be trusted, and what stands behind a damaged one.
 *
 * SQLite itself ends at the first page whose checksum does not fit, and forgets all commits behind
 * it. Each checksum continues the one before, as stored, so that pages behind a damaged one can
 * still be told from leftovers: those of whole commits may hold events that nothing else has.
 * Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
import { ftruncateSync, readSync, writeSync } from 'node:fs';
import type { LogFacts } from '../integrity.ts';

const headerBytes = 32;
const frameHeaderBytes = 24;
const magics: readonly number[] = [0x377f0682, 0x377f0683];

type Sum = readonly [number, number];

export interface WalScan extends LogFacts {
  readonly pageBytes: number;
  /** Pages of the database at the last trusted commit; 0 without one. */
  readonly databasePages: number;
  /** Newest version of each page in whole commits behind a damaged one: number → place. */
  readonly behind: ReadonlyMap<number, number>;
}

const empty = { pages: 0, used: 0, suspect: 0, pageBytes: 0, databasePages: 0 };

/** @param file descriptor of the copy @param bytes its length @param shm the index, or `null` */
export function scanWal(file: number, bytes: number, shm: Buffer | null): WalScan {
  const header = Buffer.alloc(headerBytes);
  const none = { ...empty, behind: new Map<number, number>() };
  if (readSync(file, header, 0, headerBytes, 0) < headerBytes) return none;
  const pageBytes = header.readUInt32BE(8);
  const big = header.readUInt32BE(0) === magics[1];
  const legal = magics.includes(header.readUInt32BE(0)) && isPageSize(pageBytes);
  const sum = legal ? addTo([0, 0], header.subarray(0, 24), big) : null;
  if (sum === null || !fits(sum, header, 24)) {
    const suspect = Math.floor(bytes / 4_096);
    return { ...none, pages: suspect, suspect };
  }
  const salts = header.subarray(16, 24);
  const reader = new FrameReader({ file, pageBytes, salts, big });
  const trusted = reader.trusted(sum);
  const { suspect, behind } = reader.rest(trusted.end);
  const missing = Math.max(0, committedByIndex(shm, salts) - trusted.used);
  const facts = { pages: trusted.end + suspect, used: trusted.used };
  const { databasePages } = trusted;
  return { ...facts, suspect: Math.max(suspect, missing), pageBytes, databasePages, behind };
}

export const isPageSize = (bytes: number) =>
  bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0;

interface FrameSource {
  readonly file: number;
  readonly pageBytes: number;
  readonly salts: Buffer;
  readonly big: boolean;
}

class FrameReader {
  readonly #source: FrameSource;
  readonly #frame: Buffer;

  constructor(source: FrameSource) {
    this.#source = source;
    this.#frame = Buffer.alloc(frameHeaderBytes + source.pageBytes);
  }

  /** Up to the first that does not fit, as SQLite reads it. */
  trusted(first: Sum): { end: number; used: number; databasePages: number } {
    let sum = first;
    let used = 0;
    let databasePages = 0;
    for (let index = 0; ; index += 1) {
      const next = this.#read(index) ? this.#sumAfter(sum) : null;
      if (next === null || !this.#isOurs() || !fits(next, this.#frame, 16)) {
        return { end: index, used, databasePages };
      }
      sum = next;
      const size = this.#frame.readUInt32BE(4);
      if (size === 0) continue;
      used = index + 1;
      databasePages = size;
    }
  }

  /** Behind it: each is compared with what the one before it says of itself. */
  rest(from: number): { suspect: number; behind: Map<number, number> } {
    const behind = new Map<number, number>();
    let suspect = 0;
    let seed: Sum | null = null;
    let pending: [number, number][] = [];
    for (let index = from; this.#read(index); index += 1) {
      const good = seed !== null && this.#isOurs() && fits(this.#sumAfter(seed), this.#frame, 16);
      if (this.#isOurs()) suspect += 1;
      seed = [this.#frame.readUInt32BE(16), this.#frame.readUInt32BE(20)];
      if (!good) continue;
      pending.push([this.#frame.readUInt32BE(0), index]);
      if (this.#frame.readUInt32BE(4) === 0) continue;
      for (const [page, place] of pending) behind.set(page, place);
      pending = [];
    }
    return { suspect: suspect === 0 && this.#isCut(from) ? 1 : suspect, behind };
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

function addTo([a, b]: Sum, bytes: Buffer, big: boolean): Sum {
  let first = a;
  let second = b;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + view.getUint32(at, !big) + second) >>> 0;
    second = (second + view.getUint32(at + 4, !big) + first) >>> 0;
  }
  return [first, second];
}

const fits = ([a, b]: Sum, bytes: Buffer, at: number) =>
  bytes.readUInt32BE(at) === a && bytes.readUInt32BE(at + 4) === b;

/** Pages that were committed, by the index of the log; it may be of another log, or not there. */
function committedByIndex(shm: Buffer | null, salts: Buffer): number {
  if (shm === null || shm.length < 48 || !shm.subarray(32, 40).equals(salts)) return 0;
  return shm.readUInt32LE(16); // of this machine: little-endian on all that Node.js supports well
}

/** Where page bytes of a place in the log are. */
export const offsetOf = (place: number, pageBytes: number) =>
  headerBytes + place * (frameHeaderBytes + pageBytes) + frameHeaderBytes;

/** Brings a copy of the database to the last trusted commit, as SQLite would. */
export function applyWal(wal: number, scan: WalScan, database: number): void {
  const { used, pageBytes, databasePages } = scan;
  if (used === 0) return;
  const frame = Buffer.alloc(frameHeaderBytes + pageBytes);
  for (let index = 0; index < used; index += 1) {
    readSync(wal, frame, 0, frame.length, headerBytes + index * frame.length);
    const at = (frame.readUInt32BE(0) - 1) * pageBytes;
    writeSync(database, frame, frameHeaderBytes, pageBytes, at);
  }
  ftruncateSync(database, databasePages * pageBytes);
}

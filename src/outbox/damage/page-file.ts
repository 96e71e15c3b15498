/**
 * A database file as pages, below SQLite: what its header says, and the cells of table leaves.
 * Used where SQLite finds no way to a page any more. Everything read is distrusted.
 * Format: https://www.sqlite.org/fileformat2.html
 */
import { readSync } from 'node:fs';
import { isPageSize } from './wal-file.ts';

export interface HeaderFacts {
  readonly pageBytes: number;
  /** At the end of each page, for extensions. */
  readonly reservedBytes: number;
  /** 0: none, 1: full, 2: incremental. */
  readonly autoVacuum: 0 | 1 | 2;
  readonly encoding: 'UTF-8' | 'UTF-16le' | 'UTF-16be';
  readonly userVersion: number;
  readonly applicationId: number;
}

const magic = 'SQLite format 3\0';

/** `null` when the first 100 bytes are no header that SQLite would take. */
export function headerOf(page: Buffer): HeaderFacts | null {
  if (page.length < 100 || page.toString('latin1', 0, 16) !== magic) return null;
  const raw = page.readUInt16BE(16);
  const pageBytes = raw === 1 ? 65_536 : raw;
  const reservedBytes = page.readUInt8(20);
  if (!isPageSize(pageBytes) || pageBytes - reservedBytes < 480) return null;
  const vacuums = page.readUInt32BE(52) !== 0;
  const incremental = page.readUInt32BE(64) !== 0;
  return {
    pageBytes,
    reservedBytes,
    autoVacuum: vacuums ? (incremental ? 2 : 1) : 0,
    encoding: (['UTF-8', 'UTF-16le', 'UTF-16be'] as const)[page.readUInt32BE(56) - 1] ?? 'UTF-8',
    userVersion: page.readInt32BE(60),
    applicationId: page.readInt32BE(68),
  };
}

/** A value of a record; numbers beyond 2^53 are of no use here and come as `NaN`. */
export type Value = null | number | Buffer | { readonly text: Buffer };

export interface Row {
  readonly rowid: number;
  readonly values: readonly Value[];
}

/** A place to read pages from. */
export interface PageSource {
  readonly pageBytes: number;
  readonly reservedBytes: number;
  readonly pages: number;
  /** Page 1 is the first. `null` when there is none of that number. */
  read(page: number): Buffer | null;
}

export function filePages(
  file: number,
  bytes: number,
  layout: Pick<PageSource, 'pageBytes' | 'reservedBytes'>,
): PageSource {
  const { pageBytes } = layout;
  const pages = Math.floor(bytes / pageBytes);
  const read = (page: number) => {
    if (page < 1 || page > pages) return null;
    const buffer = Buffer.alloc(pageBytes);
    return readSync(file, buffer, 0, pageBytes, (page - 1) * pageBytes) === pageBytes
      ? buffer
      : null;
  };
  return { ...layout, pages, read };
}

/** There may be too many of them for arguments. */
export function greatest(numbers: Iterable<number>, least: number): number {
  let found = least;
  for (const number of numbers) found = Math.max(found, number);
  return found;
}

const tableLeaf = 13;

/** Rows of a page, if it is the leaf of a table; cells that make no sense are left out. */
export function* rowsOf(source: PageSource, number: number): Generator<Row> {
  const page = source.read(number);
  const start = number === 1 ? 100 : 0;
  if (page === null || page[start] !== tableLeaf) return;
  const cells = page.readUInt16BE(start + 3);
  for (let index = 0; index < cells && start + 10 + index * 2 <= page.length; index += 1) {
    const row = rowAt(source, page, page.readUInt16BE(start + 8 + index * 2));
    if (row !== null) yield row;
  }
}

function rowAt(source: PageSource, page: Buffer, at: number): Row | null {
  try {
    const [bytes, afterBytes] = varint(page, at);
    const [rowid, start] = varint(page, afterBytes);
    const payload = payloadOf(source, page, { start, bytes });
    const values = payload === null ? null : valuesOf(payload);
    return values === null ? null : { rowid, values };
  } catch (error) {
    if (error instanceof RangeError) return null; // it points out of its page
    throw error;
  }
}

interface Stretch {
  readonly start: number;
  readonly bytes: number;
}

function payloadOf(source: PageSource, page: Buffer, { start, bytes }: Stretch): Buffer | null {
  const usable = source.pageBytes - source.reservedBytes;
  if (!Number.isSafeInteger(bytes) || bytes > source.pages * source.pageBytes) return null;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const most = usable - 35;
  const wanted = least + ((bytes - least) % (usable - 4));
  const local = bytes <= most ? bytes : wanted <= most ? wanted : least;
  if (start + local > usable) return null;
  const parts = [page.subarray(start, start + local)];
  let left = bytes - local;
  let next = left > 0 ? page.readUInt32BE(start + local) : 0;
  while (left > 0) {
    const overflow = source.read(next);
    if (overflow === null) return null;
    const part = overflow.subarray(4, 4 + Math.min(left, usable - 4));
    parts.push(part);
    left -= part.length;
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts);
}

function valuesOf(payload: Buffer): Value[] | null {
  const [headerBytes, first] = varint(payload, 0);
  let at = first;
  let body = headerBytes;
  const values: Value[] = [];
  while (at < headerBytes) {
    const [type, next] = varint(payload, at);
    const bytes = bytesOf(type);
    if (bytes === null || body + bytes > payload.length) return null;
    values.push(decoded(type, payload.subarray(body, body + bytes)));
    at = next;
    body += bytes;
  }
  return at === headerBytes && body === payload.length ? values : null;
}

const fixedBytes: readonly (number | null)[] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, null, null];

const bytesOf = (type: number) =>
  type < 12 ? (fixedBytes[type] ?? null) : Math.floor((type - 12) / 2);

function decoded(type: number, bytes: Buffer): Value {
  if (type === 0) return null;
  if (type === 8 || type === 9) return type - 8;
  if (type === 6) {
    const value = Number(bytes.readBigInt64BE(0));
    return Number.isSafeInteger(value) ? value : Number.NaN;
  }
  if (type === 7) return bytes.readDoubleBE(0);
  if (type < 7) return bytes.readIntBE(0, bytes.length);
  return type % 2 === 0 ? bytes : { text: bytes };
}

/** SQLite's big-endian numbers of one to nine bytes, and where the next thing begins. */
export function varint(bytes: Buffer, at: number): [number, number] {
  let value = 0n;
  for (let index = 0; index < 9; index += 1) {
    const byte = bytes.readUInt8(at + index);
    if (index === 8) value = (value << 8n) | BigInt(byte);
    else value = (value << 7n) | BigInt(byte & 0x7f);
    if (index === 8 || byte < 0x80) {
      return [Number(BigInt.asIntN(64, value)), at + index + 1];
    }
  }
  throw new RangeError('a number has no end');
}

/** What is read below SQLite must be what SQLite reads: logs, headers, rows. */
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filePages, headerOf, rowsOf, varint } from '../../../src/outbox/damage/page-file.ts';
import { applyWal, scanWal } from '../../../src/outbox/damage/wal-file.ts';

let folder: string;
const path = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-pages-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A file and its log as a crash leaves them, and the file as SQLite makes it of both. */
function crashed(pageBytes: number): void {
  const db = new Database(path('live'));
  db.pragma(`page_size = ${pageBytes}`);
  db.pragma('journal_mode = WAL');
  db.pragma('wal_autocheckpoint = 0');
  db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, big INTEGER, real REAL, bytes BLOB)');
  const insert = db.prepare('INSERT INTO things (big, real, bytes) VALUES (?, ?, ?)');
  for (let index = 0; index < 200; index += 1) {
    insert.run(BigInt(index) ** 6n, index / 3, Buffer.alloc((index * 97) % 9_000, index));
  }
  db.exec('DELETE FROM things WHERE id % 7 = 0');
  for (const suffix of ['', '-wal']) cpSync(path('live') + suffix, path('crashed') + suffix);
  db.close();
  for (const suffix of ['', '-wal']) cpSync(path('crashed') + suffix, path('ours') + suffix);
  new Database(path('crashed')).pragma('wal_checkpoint(TRUNCATE)');
}

describe.each([512, 1_024, 4_096, 65_536])('with pages of %i bytes', (pageBytes) => {
  beforeEach(() => crashed(pageBytes));

  it('a log is applied as SQLite does it', () => {
    const log = openSync(path('ours-wal'), 'r');
    const file = openSync(path('ours'), 'r+');
    const scan = scanWal(log, statSync(path('ours-wal')).size, null);
    applyWal(log, scan, file);
    closeSync(file);
    closeSync(log);
    expect(scan).toMatchObject({ pageBytes, suspect: 0 });
    expect(scan.used).toBe(scan.pages);
    expect(readFileSync(path('ours')).equals(readFileSync(path('crashed')))).toBe(true);
  });

  it('every row is read as SQLite reads it, from whatever page', () => {
    const bytes = readFileSync(path('crashed'));
    const header = headerOf(bytes);
    expect(header).toMatchObject({ pageBytes, encoding: 'UTF-8' });
    const file = openSync(path('crashed'), 'r');
    const source = filePages(file, bytes.length, { pageBytes, reservedBytes: 0 });
    const db = new Database(path('crashed'), { readonly: true });
    const pages = db.prepare(
      "SELECT pageno FROM dbstat WHERE name = 'things' AND pagetype = 'leaf'",
    );
    const rows = (pages.pluck().all() as number[]).flatMap((page) => [...rowsOf(source, page)]);
    const wanted = db.prepare('SELECT id, big, real, bytes FROM things ORDER BY id').raw().all();
    db.close();
    closeSync(file);
    const got = rows
      .toSorted((a, b) => a.rowid - b.rowid)
      .map(({ rowid, values }) => [rowid, ...values.slice(1)]);
    expect(got).toEqual(wanted);
  });
});

describe('a log', () => {
  /** What is found in the first bytes of the log, with some changed. */
  function scanned(bytes: number, change: (log: Buffer) => void = () => {}) {
    if (!existsSync(path('ours-wal'))) crashed(4_096);
    const log = readFileSync(path('ours-wal'));
    change(log);
    writeFileSync(path('changed'), log.subarray(0, bytes));
    const file = openSync(path('changed'), 'r');
    const scan = scanWal(file, statSync(path('changed')).size, null);
    closeSync(file);
    return scan;
  }
  const frame = 24 + 4_096;

  it('of nothing, or half a header, has no pages', () => {
    for (const bytes of [0, 16]) expect(scanned(bytes)).toMatchObject({ pages: 0, used: 0 });
  });

  it('that ends within a page is used up to the commit before it, and is suspect', () => {
    const { used, suspect } = scanned(32 + 20 * frame + 500);
    expect(used).toBeGreaterThan(15);
    expect(used).toBeLessThanOrEqual(20);
    expect(suspect).toBe(1);
  });

  it('with a damaged page is used up to the commit before it; what is behind is told apart', () => {
    const whole = scanned(Number.MAX_SAFE_INTEGER);
    const scan = scanned(Number.MAX_SAFE_INTEGER, (log) =>
      log.fill(1, 32 + 20 * frame + 100, 200_000),
    );
    expect(scan.used).toBeLessThanOrEqual(20);
    expect(scan.suspect).toBe(whole.pages - 20 - Math.floor(200_000 / frame - 20));
    // Pages that are damaged themselves, or follow one whose checksum is, are not among them.
    expect(scan.behind.size).toBeGreaterThan(10);
    expect(Math.min(...scan.behind.values())).toBeGreaterThan(Math.floor(200_000 / frame));
  });

  it('whose header is damaged is not used', () => {
    expect(scanned(Number.MAX_SAFE_INTEGER, (log) => log.fill(7, 0, 8))).toMatchObject({ used: 0 });
  });
});

describe('a number of a record', () => {
  it.each([
    [[0x00], 0],
    [[0x7f], 127],
    [[0x81, 0x00], 128],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -1],
  ])('%j is %i', (bytes, value) => {
    expect(varint(Buffer.from(bytes), 0)).toEqual([value, bytes.length]);
  });

  it('without an end is out of range', () => {
    expect(() => varint(Buffer.from([0x80]), 0)).toThrow(RangeError);
  });
});

describe('a header', () => {
  it.each([
    ['another word in front', (header: Buffer) => header.fill(0, 0, 4)],
    ['a page size that is none', (header: Buffer) => header.writeUInt16BE(1_000, 16)],
    ['more reserved than a page has', (header: Buffer) => header.writeUInt8(255, 20)],
  ])('with %s is none', (_, change) => {
    crashed(512);
    const header = readFileSync(path('crashed')).subarray(0, 100);
    expect(headerOf(header)).not.toBeNull();
    change(header);
    expect(headerOf(header)).toBeNull();
  });
});

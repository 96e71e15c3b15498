/**
 * A new first page for a copy whose own is damaged: without it SQLite opens nothing. The schema
 * stands on pages of its own unless it is small; they are known by their rows, and the new page
 * leads to them.
 */
import { writeWhole } from './copies.ts';
import { type HeaderFacts, type PageSource, rowsOf, type Value } from './page-file.ts';

export interface SchemaLeaf {
  readonly page: number;
  /** The highest row number on it. */
  readonly last: number;
}

/** What a file of ours has, when nothing tells. */
export const usualHeader: HeaderFacts = {
  pageBytes: 4_096,
  reservedBytes: 0,
  autoVacuum: 2,
  encoding: 'UTF-8',
  userVersion: 0,
  applicationId: 0,
};

/** Pages of the schema, in their order; without one there is no table to read. */
export function schemaLeaves(source: PageSource): SchemaLeaf[] {
  return [...leavesOf(source)].toSorted((a, b) => a.last - b.last);
}

/** @param leaves where the page is to lead to, at least one */
export function writeFirstPage(
  file: number,
  source: PageSource,
  leaves: readonly SchemaLeaf[],
): void {
  const right = leaves.at(-1) as SchemaLeaf;
  const page = Buffer.alloc(source.pageBytes);
  writeHeader(page, source);
  page.writeUInt8(5, 100); // the inside of a table
  const cells = leaves.slice(0, -1).slice(0, cellsMax(source.pageBytes));
  page.writeUInt16BE(cells.length, 103);
  page.writeUInt32BE(right.page, 108);
  let at = source.pageBytes - source.reservedBytes;
  for (const [index, leaf] of cells.entries()) {
    const key = varintOf(leaf.last);
    at -= 4 + key.length;
    page.writeUInt32BE(leaf.page, at);
    key.copy(page, at + 4);
    page.writeUInt16BE(at, 112 + index * 2);
  }
  page.writeUInt16BE(at === 65_536 ? 0 : at, 105);
  writeWhole(file, page, 0);
}

const cellsMax = (pageBytes: number) => Math.floor((pageBytes - 112) / 15);

function writeHeader(page: Buffer, { pageBytes, reservedBytes, pages }: PageSource): void {
  page.write('SQLite format 3\0', 0, 'latin1');
  page.writeUInt16BE(pageBytes === 65_536 ? 1 : pageBytes, 16);
  page.writeUInt8(2, 18); // WAL, to write and to read
  page.writeUInt8(2, 19);
  page.writeUInt8(reservedBytes, 20);
  page.set([64, 32, 32], 21); // fixed by the format
  page.writeUInt32BE(1, 24); // changes, the same as in 92: the number of pages is good
  page.writeUInt32BE(pages, 28);
  page.writeUInt32BE(1, 40); // version of the schema
  page.writeUInt32BE(4, 44); // its format
  page.writeUInt32BE(1, 56); // UTF-8
  page.writeUInt32BE(1, 92);
  page.writeUInt32BE(3_054_001, 96);
}

function* leavesOf(source: PageSource): Generator<SchemaLeaf> {
  for (let page = 2; page <= source.pages; page += 1) {
    const rows = [...rowsOf(source, page)];
    const last = rows.at(-1);
    if (last !== undefined && rows.every(({ values }) => isSchemaRow(values))) {
      yield { page, last: last.rowid };
    }
  }
}

const types: readonly string[] = ['table', 'index', 'view', 'trigger'];

function isSchemaRow(values: readonly Value[]): boolean {
  const [type, name, table, root, sql] = values;
  if (values.length !== 5 || !types.includes(textOf(type) ?? '')) return false;
  if (textOf(name) === null || textOf(table) === null) return false;
  return Number.isSafeInteger(root) && (sql === null || textOf(sql) !== null);
}

function textOf(value: Value | undefined): string | null {
  if (value === null || typeof value !== 'object' || !('text' in value)) return null;
  return value.text.toString('utf8');
}

/** Row numbers of a schema are small: below 2^35, five bytes. */
function varintOf(value: number): Buffer {
  const groups = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    groups.unshift((rest % 128) | 128);
  }
  return Buffer.from(groups);
}

/** What tables the damaged file has, and how their rows are copied. */
import type { Database } from '../sqlite/database.ts';
import { isUnreadable } from '../sqlite/failures.ts';
import { type CopiedTable, type KeyOrder, quoted } from './table-copy.ts';

export interface OldObject {
  readonly type: 'table' | 'index' | 'trigger' | 'view';
  readonly name: string;
  readonly sql: string;
}

/**
 * Everything that has been made by a statement, in its order; what follows a damaged page of the
 * schema is not known any more.
 */
export function objectsOf(db: Database): { objects: OldObject[]; whole: boolean } {
  const objects: OldObject[] = [];
  const rows = db.prepare(`
    SELECT type, name, sql FROM old.sqlite_master
    WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' ORDER BY rowid`);
  try {
    for (const row of rows.iterate() as IterableIterator<OldObject>) objects.push(row);
    return { objects, whole: true };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return { objects, whole: false };
  }
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly pk: number;
  readonly hidden: number;
}

/**
 * Columns that both files have and that are not computed; `null` when the old one has no such
 * table. A table of SQLite's own modules (full-text search) has none of its own.
 */
export function copiedTable(db: Database, name: string): CopiedTable | null {
  const old = columnsOf(db, 'old', name);
  const known = new Set(columnsOf(db, 'main', name).map((column) => column.name));
  const both = old.filter((column) => known.has(column.name) && column.hidden === 0);
  if (both.length === 0) return null;
  const columns = both.map((column) => quoted(column.name)).join(', ');
  const stored = storedKeyOf(db, name);
  if (hasNoRowid(db, name)) return { name, columns, key: stored, number: null };
  const keys = old.filter(({ pk }) => pk > 0);
  const [first] = keys;
  // INTEGER PRIMARY KEY DESC has an index of its own, and is no other name for the row number.
  const isAlias = keys.length === 1 && stored === null && /^integer$/i.test(first?.type ?? '');
  if (isAlias) return { name, columns, key: null, number: quoted(first?.name ?? '') };
  const taken = new Set(old.map((column) => column.name.toLowerCase()));
  const number = ['_rowid_', 'rowid', 'oid'].find((one) => !taken.has(one)) ?? null;
  const all = number === null ? columns : `${number}, ${columns}`;
  return { name, columns: all, key: null, number };
}

interface KeyColumn {
  readonly name: string;
  readonly coll: string;
  readonly desc: number;
}

/** The order that the index of the primary key has; `null`: there is none. */
function storedKeyOf(db: Database, name: string): KeyOrder | null {
  const text = `
    SELECT x.name, x.coll, x.desc
    FROM pragma_index_list(@name, 'old') AS i, pragma_index_xinfo(i.name, 'old') AS x
    WHERE i.origin = 'pk' AND x.key ORDER BY x.seqno`;
  const columns = db.prepare(text).all({ name }) as KeyColumn[];
  if (columns.length === 0) return null;
  const order = (isForward: boolean) =>
    columns
      .map(({ name: column, coll, desc }) => {
        const direction = (desc === 1) === isForward ? 'DESC' : 'ASC';
        return `${quoted(column)} COLLATE ${quoted(coll)} ${direction}`;
      })
      .join(', ');
  return { forward: order(true), backward: order(false) };
}

function columnsOf(db: Database, schema: string, name: string): Column[] {
  const text = 'SELECT name, type, pk, hidden FROM pragma_table_xinfo(?, ?)';
  return db.prepare(text).all(name, schema) as Column[];
}

function hasNoRowid(db: Database, name: string): boolean {
  const text = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?";
  return db.prepare(text).pluck().get(name) === 1;
}

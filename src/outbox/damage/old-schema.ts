/** What tables the damaged file has, and how their rows are copied. */
import type { Database } from '../sqlite/database.ts';
import { isDamage } from '../sqlite/failures.ts';
import { type CopiedTable, quoted } from './table-copy.ts';

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
    if (!isDamage(error)) throw error;
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
  const keys = old.filter(({ pk }) => pk > 0).toSorted((a, b) => a.pk - b.pk);
  if (hasNoRowid(db, name)) {
    return { name, columns, key: keys.map((key) => quoted(key.name)).join(', '), rowid: null };
  }
  const [first] = keys;
  const isAlias = keys.length === 1 && first?.type.toUpperCase() === 'INTEGER';
  const taken = new Set(old.map((column) => column.name.toLowerCase()));
  const free = ['_rowid_', 'rowid', 'oid'].find((one) => !taken.has(one)) ?? null;
  return { name, columns, key: null, rowid: isAlias ? null : free };
}

function columnsOf(db: Database, schema: string, name: string): Column[] {
  const text = 'SELECT name, type, pk, hidden FROM pragma_table_xinfo(?, ?)';
  return db.prepare(text).all(name, schema) as Column[];
}

function hasNoRowid(db: Database, name: string): boolean {
  const text = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?";
  return db.prepare(text).pluck().get(name) === 1;
}

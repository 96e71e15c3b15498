/**
 * Full-text and other tables of SQLite's modules in the new file. Their rows and their index are
 * tables of their own, copied as far as they could be read, and need not fit each other any more.
 */
import type { Database } from '../sqlite/database.ts';
import { isFull, isUnreadable, sqliteCode } from '../sqlite/failures.ts';
import { quoted } from './table-copy.ts';

/** Returns those that are taken out of the schema; the tables that they were made of stay. */
export function mendVirtualTables(db: Database): string[] {
  const text = `SELECT name, sql FROM main.sqlite_schema
    WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL %'`;
  const tables = db.prepare(text).all() as { name: string; sql: string }[];
  const lost: string[] = [];
  // Otherwise nobody may write the schema, or what belongs to a module.
  db.unsafeMode(true);
  try {
    for (const { name, sql } of tables) {
      if (fits(db, name)) continue;
      if (/\bUSING\s+["'`[]?fts[345]\b/i.test(sql) && rebuild(db, name) && fits(db, name)) continue;
      remove(db, name);
      lost.push(`virtual table ${name}`);
    }
  } finally {
    db.unsafeMode(false);
  }
  return lost;
}

function fits(db: Database, name: string): boolean {
  try {
    const rows = db
      .prepare(`PRAGMA main.integrity_check(${quoted(name)})`)
      .pluck()
      .all();
    return rows.length === 1 && rows[0] === 'ok';
  } catch (error) {
    if (isUnreadable(error)) return false;
    if (sqliteCode(error) !== 'SQLITE_ERROR') throw error;
    return true; // the application has the module, and knows
  }
}

/** From the rows that it has. */
function rebuild(db: Database, name: string): boolean {
  const table = quoted(name);
  try {
    db.exec(`INSERT INTO main.${table} (${table}) VALUES ('rebuild')`);
    return true;
  } catch (error) {
    if (isFull(error) || sqliteCode(error) === '') throw error;
    return false; // it keeps no rows, or its module does not get along with what is left
  }
}

function remove(db: Database, name: string): void {
  db.pragma('writable_schema = ON');
  db.prepare('DELETE FROM main.sqlite_schema WHERE name = ?').run(name);
  db.pragma('writable_schema = RESET');
}

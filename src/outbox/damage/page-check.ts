/**
 * SQLite's own checks. They run the application's functions and collations, which are not there,
 * and its modules: what they cannot look at is not damaged by that.
 */
import type { Database } from '../sqlite/database.ts';
import { isUnreadable, sqliteCode } from '../sqlite/failures.ts';
import { Faults } from './fault-list.ts';
import { quoted } from './table-copy.ts';

/** Of a long list that SQLite's check gives. */
const integrityRows = 100;

/** At once, as that sees pages that nothing leads to; table by table where that cannot be done. */
export function checkFilePages(db: Database, faults: Faults): void {
  if (!attempt((found) => integrityOf(db, String(integrityRows), found), faults)) {
    checkTables(db, tablesOf(db, faults), faults);
  }
  if (attempt((found) => orphansOf(db, null, found), faults)) return;
  for (const table of tablesOf(db, faults)) {
    during(`references of ${table}`, faults, () => orphansOf(db, table, faults));
  }
}

export function checkTables(db: Database, tables: readonly string[], faults: Faults): void {
  for (const table of tables) {
    during(table, faults, () => integrityOf(db, quoted(table), faults));
  }
}

/** Returns whether it could be looked at; nothing is kept of what was cut short. */
function attempt(look: (found: Faults) => void, faults: Faults): boolean {
  const found = new Faults();
  try {
    look(found);
    faults.merge(found);
    return true;
  } catch (error) {
    if (isUnlookable(error)) return false;
    if (!isUnreadable(error)) throw error;
    faults.add('file.integrity', `the pages: ${(error as Error).message}`);
    return true;
  }
}

function during(what: string, faults: Faults, look: () => void): void {
  try {
    look();
  } catch (error) {
    if (!isUnreadable(error) && !isUnlookable(error)) throw error;
    const code = isUnreadable(error) ? 'file.integrity' : 'file.not_looked_at';
    faults.add(code, `${what}: ${(error as Error).message}`);
  }
}

/** No such function, collation, module or parent key. */
const isUnlookable = (error: unknown) => /^SQLITE_ERROR/.test(sqliteCode(error));

function integrityOf(db: Database, what: string, faults: Faults): void {
  const rows = db.prepare(`PRAGMA integrity_check(${what})`).pluck().all() as string[];
  // The first line of several only names the database.
  const lines = rows.flatMap((row) => row.split('\n'));
  for (const line of lines) {
    if (line !== 'ok' && !line.startsWith('*** in database')) faults.add('file.integrity', line);
  }
}

function orphansOf(db: Database, of: string | null, faults: Faults): void {
  const from = of === null ? '' : '(@of)';
  const rows = db.prepare(`SELECT "table", rowid, parent FROM pragma_foreign_key_check${from}`);
  const orphans = of === null ? rows.iterate() : rows.iterate({ of });
  for (const orphan of orphans as IterableIterator<Record<string, unknown>>) {
    const { table, rowid, parent } = orphan;
    faults.add('file.foreign_keys', `${table}, row ${rowid}: no such row of ${parent}`);
  }
}

function tablesOf(db: Database, faults: Faults): string[] {
  const names: string[] = ['sqlite_schema'];
  attempt(() => {
    const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck();
    for (const name of rows.iterate()) names.push(String(name));
  }, faults);
  return names;
}

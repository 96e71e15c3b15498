/**
 * SQLite's own checks. They run the application's functions and collations, which are not there,
 * and its modules: what they cannot look at is not damaged by that.
 */
import type { FaultCode } from '../integrity.ts';
import type { Database } from '../sqlite/database.ts';
import { isDamage, sqliteCode } from '../sqlite/failures.ts';
import { quoted } from './table-copy.ts';

interface Found {
  add(code: FaultCode, example: string): void;
}

/** Of a long list that SQLite's check gives. */
const integrityRows = 100;

/** At once, as that sees pages that nothing leads to; table by table where that cannot be done. */
export function checkFilePages(db: Database, faults: Found): void {
  if (!attempt(() => integrityOf(db, String(integrityRows)), faults)) {
    checkTables(db, tablesOf(db, faults), faults);
  }
  if (attempt(() => orphansOf(db, null), faults)) return;
  for (const table of tablesOf(db, faults)) {
    during(`references of ${table}`, faults, () => orphansOf(db, table));
  }
}

export function checkTables(db: Database, tables: readonly string[], faults: Found): void {
  for (const table of tables) during(table, faults, () => integrityOf(db, quoted(table)));
}

type Breach = readonly [FaultCode, string];

/** Returns whether it could be looked at; nothing is kept of what was cut short. */
function attempt(look: () => Breach[], faults: Found): boolean {
  try {
    for (const [code, example] of look()) faults.add(code, example);
    return true;
  } catch (error) {
    if (isUnlookable(error)) return false;
    if (!isDamage(error)) throw error;
    faults.add('file.integrity', `the pages: ${(error as Error).message}`);
    return true;
  }
}

function during(what: string, faults: Found, look: () => Breach[]): void {
  try {
    for (const [code, example] of look()) faults.add(code, example);
  } catch (error) {
    if (!isDamage(error) && !isUnlookable(error)) throw error;
    const code = isDamage(error) ? 'file.integrity' : 'file.not_looked_at';
    faults.add(code, `${what}: ${(error as Error).message}`);
  }
}

/** No such function, collation, module or parent key. */
const isUnlookable = (error: unknown) => /^SQLITE_ERROR/.test(sqliteCode(error));

function integrityOf(db: Database, what: string): Breach[] {
  const rows = db.prepare(`PRAGMA integrity_check(${what})`).pluck().all() as string[];
  // The first line of several only names the database.
  const lines = rows.flatMap((row) => row.split('\n'));
  return lines
    .filter((line) => line !== 'ok' && !line.startsWith('*** in database'))
    .map((line) => ['file.integrity', line]);
}

function orphansOf(db: Database, of: string | null): Breach[] {
  const from = of === null ? '' : '(@of)';
  const rows = db.prepare(`SELECT "table", rowid, parent FROM pragma_foreign_key_check${from}`);
  const found: Breach[] = [];
  const orphans = of === null ? rows.iterate() : rows.iterate({ of });
  for (const orphan of orphans as IterableIterator<Record<string, unknown>>) {
    const { table, rowid, parent } = orphan;
    found.push(['file.foreign_keys', `${table}, row ${rowid}: no such row of ${parent}`]);
  }
  return found;
}

function tablesOf(db: Database, faults: Found): string[] {
  const names: string[] = ['sqlite_schema'];
  attempt(() => {
    const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck();
    for (const name of rows.iterate()) names.push(String(name));
    return [];
  }, faults);
  return names;
}

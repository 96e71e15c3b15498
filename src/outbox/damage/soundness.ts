/**
 * Whether SQLite finds a table of the damaged file in order. Reading all of it proves nothing: on a
 * page whose row numbers are damaged it loses its way, and ends early without an error.
 */
import type { Database } from '../sqlite/database.ts';
import { isDamage, sqliteCode } from '../sqlite/failures.ts';
import { quoted } from './table-copy.ts';

/** Damage to an index alone is none to its table. */
export function isSound(db: Database, name: string): boolean {
  const lines = linesOf(db, 'integrity_check', name) ?? linesOf(db, 'quick_check', name);
  if (lines === null) return false;
  const roots = rootsOf(db, name);
  if (roots === null) return lines.length === 0;
  const damaged = new Set<string>();
  // Trees come first, the table's before those of its indexes; then what they hold is compared.
  let tree: string = name;
  for (const line of lines) {
    const [, root] = /^(?:Tree|On tree page) (\d+) /.exec(line) ?? [];
    if (root !== undefined) tree = roots.get(Number(root)) ?? name;
    const [, compared] = / (?:from|in) index (.+)$/.exec(line) ?? [];
    const about = compared ?? tree;
    // An index that is in order and differs from its table: nobody knows which of them is right.
    if (about === name || (compared !== undefined && !damaged.has(about))) return false;
    damaged.add(about);
  }
  return true;
}

/** What is wrong; `null`: it could not be looked at, as for a function of the application. */
function linesOf(db: Database, check: string, name: string): string[] | null {
  const lines: string[] = [];
  try {
    const rows = db.prepare(`PRAGMA old.${check}(${quoted(name)})`).pluck();
    for (const row of rows.iterate() as Iterable<string>) lines.push(...row.split('\n'));
  } catch (error) {
    if (sqliteCode(error) === 'SQLITE_ERROR') return null;
    if (!isDamage(error)) throw error;
    lines.push((error as Error).message);
  }
  return lines.filter((line) => line !== 'ok' && !line.startsWith('*** in database'));
}

/** Names of a table and of its indexes, by the pages where they begin. */
function rootsOf(db: Database, name: string): Map<number, string> | null {
  const text = 'SELECT rootpage, name FROM old.sqlite_master WHERE tbl_name = ? AND rootpage > 0';
  try {
    const rows = db.prepare(text).raw().all(name) as [number, string][];
    return new Map(rows);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return null;
  }
}

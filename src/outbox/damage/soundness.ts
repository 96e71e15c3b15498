/**
 * Whether SQLite finds a table of the damaged file in order. Reading all of it proves nothing: on a
 * page whose row numbers are damaged it loses its way, and ends early without an error.
 */
import type { Database } from '../sqlite/database.ts';
import { isUnreadable, sqliteCode } from '../sqlite/failures.ts';
import { quoted } from './table-copy.ts';

export interface Soundness {
  /** Of the table itself: damage to an index alone is none to it. */
  readonly table: boolean;
  /** Indexes of it that are damaged themselves, as far as the check has come. */
  readonly damagedIndexes: ReadonlySet<string>;
}

export function soundnessOf(db: Database, name: string): Soundness {
  const damaged = new Set<string>();
  const lines = linesOf(db, 'integrity_check', name) ?? linesOf(db, 'quick_check', name);
  if (lines === null) return { table: false, damagedIndexes: damaged };
  const places = new Places(db, name);
  let table = true;
  for (const line of lines) {
    const place = places.of(line);
    if (place === name) table = false;
    else if (place !== null) damaged.add(place);
    else if (damaged.size === 0) table = false; // it ends amid a damaged index, or of a table
    const [, compared] = / (?:from|in) index (.+)$/.exec(line) ?? [];
    // An index that is in order and differs from its table: nobody knows which of them is right.
    if (compared !== undefined && !damaged.has(compared)) table = false;
  }
  return { table, damagedIndexes: damaged };
}

/** What is wrong; `null`: it could not be looked at, as for a function of the application. */
function linesOf(db: Database, check: string, name: string): string[] | null {
  const lines: string[] = [];
  try {
    const rows = db.prepare(`PRAGMA old.${check}(${quoted(name)})`).pluck();
    for (const row of rows.iterate() as Iterable<string>) lines.push(...row.split('\n'));
  } catch (error) {
    if (sqliteCode(error) === 'SQLITE_ERROR') return null;
    if (!isUnreadable(error)) throw error;
    lines.push((error as Error).message);
  }
  return lines.filter((line) => line !== 'ok' && !line.startsWith('*** in database'));
}

/** Whether the table or an index is meant by a line: some name where it begins, some one page. */
class Places {
  readonly #db: Database;
  readonly #table: string;
  readonly #roots: Map<number, string>;
  #pages: Map<number, string> | null = null;

  constructor(db: Database, table: string) {
    this.#db = db;
    this.#table = table;
    const text = 'SELECT rootpage, name FROM old.sqlite_master WHERE tbl_name = ? AND rootpage > 0';
    this.#roots = this.#map(text, table);
  }

  /** Its name; `null` when the line tells of no page. What cannot be found out is the table's. */
  of(line: string): string | null {
    const [, root] = /^(?:Tree|On tree page) (\d+) /.exec(line) ?? [];
    if (root !== undefined) return this.#roots.get(Number(root)) ?? this.#table;
    const [, page] = / page (\d+)$/.exec(line) ?? [];
    if (page === undefined) return null;
    const text = `SELECT pageno, name FROM dbstat('old')
      WHERE name IN (SELECT name FROM old.sqlite_master WHERE tbl_name = ?)`;
    this.#pages ??= this.#map(text, this.#table);
    return this.#pages.get(Number(page)) ?? this.#table;
  }

  #map(text: string, name: string): Map<number, string> {
    try {
      return new Map(this.#db.prepare(text).raw().all(name) as [number, string][]);
    } catch (error) {
      // Not every build of SQLite can tell where the pages are.
      if (!isUnreadable(error) && sqliteCode(error) !== 'SQLITE_ERROR') throw error;
      return new Map();
    }
  }
}

/** What of the damaged file can be read; `null`: it cannot be, or is not there. */
export function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (isUnreadable(error) || /no such|no query solution/.test(String(error))) return null;
    throw error;
  }
}

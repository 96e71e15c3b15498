/**
 * Fills a new file from what can be read of a damaged one: first the tables of the outbox, then
 * everything else of the application. The damaged file is a copy, attached as `old`, and only read.
 */
import type { TableCount } from '../integrity.ts';
import type { Database } from '../sqlite/database.ts';
import { isFull, sqliteCode } from '../sqlite/failures.ts';
import { copyByKey } from './key-copy.ts';
import { copiedTable, type OldObject, objectsOf } from './old-schema.ts';
import { soundnessOf } from './soundness.ts';
import { copyByNumber, everywhere, isNumbered, quoted, type TableCopy } from './table-copy.ts';

/** Tables of ours whose rows come as they are; the outbox's state is put together from them. */
export const plainTables = [
  'outbox_lanes',
  'outbox_events',
  'outbox_held',
  'outbox_stops',
  'outbox_dedupe',
  'outbox_topics',
  'outbox_pauses',
  'outbox_audit',
  'outbox_ledger',
];

export type OnRows = (table: string, rows: number) => void;

export interface Salvaged {
  /** By the table's name; only those that the old file has. */
  readonly copies: ReadonlyMap<string, TableCopy>;
  readonly objectsLost: readonly string[];
}

/** The outbox's own tables; events of a lane that there is not, too: they are moved later. */
export function salvageOutbox(db: Database, onRows: OnRows): Map<string, TableCopy> {
  const copies = new Map<string, TableCopy>();
  db.exec('DELETE FROM main.outbox_lanes');
  const guard = db.prepare("SELECT sql FROM main.sqlite_master WHERE name = 'outbox_events_lane'");
  const trigger = String(guard.pluck().get());
  db.exec('DROP TRIGGER main.outbox_events_lane');
  for (const name of plainTables) {
    const copy = copyOne(db, name, onRows);
    if (copy !== null) copies.set(name, copy);
  }
  db.exec(trigger);
  return copies;
}

/**
 * A table that is not there, or of which nothing can be said, has no copy. Not in one transaction:
 * after a read that met damage SQLite does not commit it (tried), and nobody sees half a file.
 */
function copyOne(db: Database, name: string, onRows: OnRows): TableCopy | null {
  const table = copiedTable(db, name);
  if (table === null) return null;
  const copy = isNumbered(table)
    ? copyByNumber(db, table, (rows) => onRows(name, rows))
    : copyByKey(db, table);
  if (copy.holes.length > 0 || soundnessOf(db, name).table) return copy;
  return { ...copy, holes: [everywhere] };
}

/**
 * The application's tables with their rows, then its indexes, views and triggers, so that no
 * trigger runs for a row that is copied. What cannot be made again is named.
 */
export function salvageApplication(db: Database, onRows: OnRows): Salvaged {
  // Tables of a full-text index may otherwise be written by their module alone.
  db.unsafeMode(true);
  try {
    return new Application(db, onRows).salvage();
  } finally {
    db.unsafeMode(false);
  }
}

class Application {
  readonly #db: Database;
  readonly #onRows: OnRows;
  readonly #lost: string[] = [];

  constructor(db: Database, onRows: OnRows) {
    this.#db = db;
    this.#onRows = onRows;
  }

  salvage(): Salvaged {
    const { objects, whole } = objectsOf(this.#db);
    if (!whole) this.#lost.push('what stands behind a damaged page of the schema');
    const names = this.#db.prepare('SELECT name FROM main.sqlite_master').pluck().all();
    const ours = new Set(names as string[]);
    const theirs = objects.filter(({ name }) => !ours.has(name));
    const copies = new Map<string, TableCopy>();
    for (const table of theirs.filter(({ type, sql }) => type === 'table' && !isVirtual(sql))) {
      const copy = this.#make(table) ? copyOne(this.#db, table.name, this.#onRows) : null;
      if (copy !== null) copies.set(table.name, copy);
    }
    for (const virtual of theirs.filter(({ sql }) => isVirtual(sql))) this.#write(virtual);
    for (const object of theirs.filter(({ type }) => type !== 'table')) this.#make(object);
    copySequences(this.#db, ours);
    return { copies, objectsLost: this.#lost };
  }

  /** In the new file: there is no other of that name that an unqualified one could mean. */
  #make({ type, name, sql }: OldObject): boolean {
    try {
      this.#db.exec(sql);
      return true;
    } catch (error) {
      if (isFull(error) || sqliteCode(error) === '') throw error;
      this.#lost.push(`${type} ${name}`);
      return false;
    }
  }

  /**
   * The tables that its module made are copied already, so it must not make them again: its own
   * line goes into the schema as it stands, as SQLite's shell does it.
   */
  #write({ name, sql }: OldObject): void {
    this.#db.pragma('writable_schema = ON');
    this.#db
      .prepare(`INSERT INTO main.sqlite_master (type, name, tbl_name, rootpage, sql)
        VALUES ('table', @name, @name, 0, @sql)`)
      .run({ name, sql });
    this.#db.pragma('writable_schema = RESET');
    try {
      this.#db.prepare(`SELECT 1 FROM main.${quoted(name)}`);
    } catch (error) {
      if (/no such module/.test(String(error))) return; // the application loads it
      this.#lost.push(`virtual table ${name}`);
      this.#db.pragma('writable_schema = ON');
      this.#db.prepare('DELETE FROM main.sqlite_master WHERE name = ?').run(name);
      this.#db.pragma('writable_schema = RESET');
    }
  }
}

const isVirtual = (sql: string) => /^\s*CREATE\s+VIRTUAL\s/i.test(sql);

/** Of the application's AUTOINCREMENT tables: a number that was used must not come again. */
function copySequences(db: Database, ours: ReadonlySet<string>): void {
  const text = 'SELECT name, seq FROM old.sqlite_sequence';
  let rows: { name: string; seq: bigint }[];
  try {
    rows = db.prepare(text).safeIntegers(true).all() as typeof rows;
  } catch {
    return; // there is none, or it is unreadable: the highest number of the rows counts
  }
  for (const { name, seq } of rows) {
    if (ours.has(name)) continue;
    const isThere = db.prepare('SELECT 1 FROM main.sqlite_master WHERE name = ?').get(name);
    if (isThere === undefined) continue;
    db.prepare('DELETE FROM main.sqlite_sequence WHERE name = ? AND seq <= ?').run(name, seq);
    db.prepare(`INSERT INTO main.sqlite_sequence (name, seq)
      SELECT @name, @seq WHERE @name NOT IN (SELECT name FROM main.sqlite_sequence)`).run({
      name,
      seq,
    });
  }
}

export function countOf(table: string, copy: TableCopy | undefined): TableCount {
  if (copy === undefined) return { table, read: 0, lost: null };
  const lost = copy.holes.length === 0 && copy.refused === 0 ? 0 : null;
  return { table, read: copy.read, lost };
}

/**
 * Copies a table that has no row numbers, or none that can be named. It is walked in the order in
 * which it is stored: any other would be sorted first, and sorting reads all of it or nothing.
 */
import type { Database } from '../sqlite/database.ts';
import {
  type CopiedTable,
  everywhere,
  isOurs,
  quoted,
  type TableCopy,
  windowRows,
} from './table-copy.ts';

/** At once; where that fails from the front until a damaged page, then from the back. */
export function copyByKey(db: Database, { name, columns, key }: CopiedTable): TableCopy {
  const before = rowsOf(db, name);
  if (copyAll(db, { name, columns, order: '' })) {
    return { read: rowsOf(db, name) - before, refused: 0, holes: [] };
  }
  const forward = key === null ? '' : `ORDER BY ${key.forward}`;
  const isWhole = copyPrefix(db, { name, columns, order: forward });
  if (!isWhole && key !== null) {
    copyPrefix(db, { name, columns, order: `ORDER BY ${key.backward}` });
  }
  return { read: rowsOf(db, name) - before, refused: 0, holes: isWhole ? [] : [everywhere] };
}

const rowsOf = (db: Database, name: string) =>
  Number(
    db
      .prepare(`SELECT count(*) FROM main.${quoted(name)}`)
      .pluck()
      .get(),
  );

interface Prefix {
  readonly name: string;
  readonly columns: string;
  readonly order: string;
}

/** Returns whether all of it was read; otherwise nothing of it is kept. */
function copyAll(db: Database, { name, columns }: Prefix): boolean {
  try {
    db.exec(`INSERT INTO main.${quoted(name)} (${columns})
      SELECT ${columns} FROM old.${quoted(name)} NOT INDEXED`);
    return true;
  } catch (error) {
    if (isOurs(error)) throw error;
    return false;
  }
}

/**
 * Returns whether all of it was read. Steps shrink to nothing at what cannot be read; each counts
 * its way from the front, so this is for damaged tables only.
 */
function copyPrefix(db: Database, { name, columns, order }: Prefix): boolean {
  const from = `FROM old.${quoted(name)} NOT INDEXED ${order} LIMIT ? OFFSET ?`;
  const insert = `INSERT OR IGNORE INTO main.${quoted(name)} (${columns})
    SELECT ${columns} ${from}`;
  let done = 0;
  let step = windowRows;
  while (step > 0) {
    try {
      db.prepare(insert).run(step, done);
      const got = db.prepare(`SELECT count(*) FROM (SELECT 1 ${from})`).pluck();
      const rows = Number(got.get(step, done));
      if (rows < step) return true;
      done += rows;
    } catch (error) {
      if (isOurs(error)) throw error;
      step = Math.floor(step / 2);
    }
  }
  return false;
}

/**
 * Copies one table from the damaged file (attached as `old`) into the new one, inside SQLite: bytes
 * and numbers stay as they are. A stretch that meets a damaged page is halved, the largest first,
 * until what is left cannot be read; whatever is on the good pages around it is kept.
 */
import type { Database, Statement } from '../sqlite/database.ts';
import { isBusy, isFull, sqliteCode } from '../sqlite/failures.ts';

/** Rows of one statement while nothing is damaged. */
const windowRows = 2_000;
/** Stretches that failed, of one table: what is left then counts as unreadable. */
const failuresMax = 100_000;
/** How far behind the last readable row others are looked for one by one. */
const leapMax = 5_000;
const lowest = 0n - 2n ** 63n;
const highest = 2n ** 63n - 1n;

export interface Stretch {
  readonly first: bigint;
  readonly last: bigint;
}

export interface TableCopy {
  readonly read: number;
  /** Row numbers that could not be read, whether there was a row or not. */
  readonly holes: readonly Stretch[];
  /** Rows that were read, and that the new table refused. */
  readonly refused: number;
}

export interface CopiedTable {
  readonly name: string;
  /** Quoted, joined by commas; the same in both files. */
  readonly columns: string;
  /** Columns of the key of a table without row numbers, quoted and joined; `null`: it has them. */
  readonly key: string | null;
  /** A name for the row number that no column has; `null` when a column is its alias. */
  readonly rowid: string | null;
}

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** @param onRows told how many rows there are so far */
export function copyTable(
  db: Database,
  table: CopiedTable,
  onRows: (rows: number) => void,
): TableCopy {
  return table.key === null
    ? new RowidCopy(db, table, onRows).run()
    : copyByKey(db, table, table.key);
}

/** What the new file cannot do is no damage of the old one. */
function isOurs(error: unknown): boolean {
  if (sqliteCode(error) === '' || isBusy(error) || isFull(error)) return true;
  return /^SQLITE_(READONLY|CANTOPEN|IOERR_(WRITE|FSYNC|TRUNCATE))/.test(sqliteCode(error));
}

const isRefusal = (error: unknown) => /^SQLITE_(CONSTRAINT|MISMATCH)/.test(sqliteCode(error));

class RowidCopy {
  readonly #onRows: (rows: number) => void;
  readonly #last: Statement;
  readonly #insert: Statement;
  #read = 0;
  #refused = 0;
  #failures = 0;
  readonly #holes: Stretch[] = [];

  constructor(db: Database, table: CopiedTable, onRows: (rows: number) => void) {
    this.#onRows = onRows;
    const { name, columns, rowid } = table;
    const number = rowid ?? '_rowid_';
    const from = `FROM old.${quoted(name)} NOT INDEXED WHERE ${number}`;
    const all = rowid === null ? columns : `${rowid}, ${columns}`;
    this.#insert = db.prepare(`INSERT INTO main.${quoted(name)} (${all})
      SELECT ${all} ${from} BETWEEN ? AND ?`);
    this.#last = db
      .prepare(`
        SELECT max(r) FROM (SELECT ${number} AS r ${from} >= ? ORDER BY ${number} LIMIT ?)`)
      .pluck()
      .safeIntegers(true);
  }

  run(): TableCopy {
    this.#negative();
    let next: bigint | null = 0n;
    while (next !== null) next = this.#advance(next);
    return { read: this.#read, refused: this.#refused, holes: joined(this.#holes) };
  }

  /** Hardly any table has such numbers, and where the first page is damaged nobody can tell. */
  #negative(): void {
    const least = this.#lastOf(lowest, 1);
    if (least !== undefined && least !== null && least < 0n) {
      this.#bisect({ first: least, last: -1n });
    }
  }

  /** Copies the next rows from here on; returns where to go on, or `null` at the end. */
  #advance(first: bigint): bigint | null {
    for (let rows = windowRows; rows >= 1; rows = Math.floor(rows / 2)) {
      const last = this.#lastOf(first, rows);
      if (last === undefined) continue;
      if (last === null) return null;
      this.#bisect({ first, last });
      return last === highest ? null : last + 1n;
    }
    return this.#leap(first);
  }

  /** The number of the last of the next rows; `null`: there is none; `undefined`: unreadable. */
  #lastOf(first: bigint, rows: number): bigint | null | undefined {
    try {
      return this.#last.get(first, rows) as bigint | null;
    } catch (error) {
      if (isOurs(error)) throw error;
      return undefined;
    }
  }

  /** Over what cannot be read from here: in steps that double, then back to its end. */
  #leap(first: bigint): bigint | null {
    let bad = first;
    let good: bigint | null = null;
    for (let step = 1n; good === null && first + step <= highest; step *= 2n) {
      if (this.#lastOf(first + step, 1) === undefined) bad = first + step;
      else good = first + step;
    }
    if (good === null) {
      const last = first + BigInt(leapMax);
      this.#bisect({ first, last: last < highest ? last : highest });
      return null;
    }
    while (good - bad > 1n) {
      const middle: bigint = bad + (good - bad) / 2n;
      if (this.#lastOf(middle, 1) === undefined) bad = middle;
      else good = middle;
    }
    // Between them there may be good pages that the steps have missed.
    this.#bisect({ first, last: bad });
    return good;
  }

  #bisect(whole: Stretch): void {
    // Widest first, so that a large table of few damaged pages does not use the failures up.
    let open: Stretch[] = [whole];
    while (open.length > 0) {
      const halves: Stretch[] = [];
      for (const stretch of open) {
        if (!this.#copy(stretch)) halves.push(...halvesOf(stretch));
        this.#onRows(this.#read);
      }
      open = halves;
    }
  }

  /** Returns whether the stretch is done with: copied, or given up. */
  #copy(stretch: Stretch): boolean {
    const { first, last } = stretch;
    if (this.#failures >= failuresMax) {
      this.#hole(stretch);
      return true;
    }
    try {
      this.#read += this.#insert.run(first, last).changes;
      return true;
    } catch (error) {
      if (isOurs(error)) throw error;
      this.#failures += 1;
      if (first < last) return false;
      if (isRefusal(error)) this.#refused += 1;
      this.#hole(stretch);
      return true;
    }
  }

  #hole(stretch: Stretch): void {
    this.#holes.push(stretch);
  }
}

function joined(holes: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = [];
  for (const { first, last } of holes.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = result.at(-1);
    if (before === undefined || before.last + 1n !== first) result.push({ first, last });
    else result[result.length - 1] = { first: before.first, last };
  }
  return result;
}

function halvesOf({ first, last }: Stretch): Stretch[] {
  const middle = first + (last - first) / 2n;
  return [
    { first, last: middle },
    { first: middle + 1n, last },
  ];
}

/** From the front until a damaged page, then from the back. */
function copyByKey(db: Database, { name, columns }: CopiedTable, key: string): TableCopy {
  const before = rowsOf(db, name);
  const whole: Stretch = { first: 0n, last: 0n };
  const isWhole = copyPrefix(db, { name, columns, order: key });
  const backwards = key
    .split(', ')
    .map((column) => `${column} DESC`)
    .join(', ');
  if (!isWhole) copyPrefix(db, { name, columns, order: backwards });
  return { read: rowsOf(db, name) - before, refused: 0, holes: isWhole ? [] : [whole] };
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

/** Returns whether all of it was read. Steps grow while they succeed and shrink to nothing. */
function copyPrefix(db: Database, { name, columns, order }: Prefix): boolean {
  const from = `FROM old.${quoted(name)} ORDER BY ${order} LIMIT ? OFFSET ?`;
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

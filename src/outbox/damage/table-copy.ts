/**
 * Copies one table from the damaged file (attached as `old`) into the new one, inside SQLite: bytes
 * and numbers stay as they are. A stretch that meets a damaged page is halved, the largest first,
 * until what is left cannot be read; whatever is on the good pages around it is kept.
 *
 * SQLite tells of damage to the frame of a page alone. Row numbers that are damaged lead it astray
 * without an error, so they are looked at, too: they must rise, and lead to their rows.
 */
import type { Database, Statement } from '../sqlite/database.ts';
import { isBusy, isFull, sqliteCode } from '../sqlite/failures.ts';

/** Rows of one statement while nothing is damaged. */
export const windowRows = 2_000;
/** Stretches that failed, of one table: after them none is halved any more. */
const failuresMax = 100_000;
/** Of these, in one place: numbers can be so far apart that no halving comes to an end. */
const failuresMaxOfPlace = 10_000;
/** How far behind the last readable row others are looked for one by one. */
const leapMax = 5_000n;
const lowest = 0n - 2n ** 63n;
const highest = 2n ** 63n - 1n;
/** As the number of rows: all. */
const everyRow = -1;

export interface Stretch {
  readonly first: bigint;
  readonly last: bigint;
}

/** Of a table of which all may be missing. */
export const everywhere: Stretch = { first: lowest, last: highest };

export interface TableCopy {
  readonly read: number;
  /** Row numbers that could not be read, whether there was a row or not. */
  readonly holes: readonly Stretch[];
  /** Rows that were read, and that the new table refused. */
  readonly refused: number;
}

/** Terms of ORDER BY. */
export interface KeyOrder {
  readonly forward: string;
  readonly backward: string;
}

export interface CopiedTable {
  readonly name: string;
  /** Quoted, joined by commas, with the row number; the same in both files. */
  readonly columns: string;
  /** Of a table without row numbers; `null`: it has them. */
  readonly key: KeyOrder | null;
  /** What the row number is called; `null` when columns have taken all of its names. */
  readonly number: string | null;
}

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** What the new file cannot do is no damage of the old one. */
export function isOurs(error: unknown): boolean {
  if (sqliteCode(error) === '' || isBusy(error) || isFull(error)) return true;
  return /^SQLITE_(READONLY|CANTOPEN|IOERR_(WRITE|FSYNC|TRUNCATE))/.test(sqliteCode(error));
}

const isRefusal = (error: unknown) => /^SQLITE_(CONSTRAINT|MISMATCH)/.test(sqliteCode(error));

interface NumberedTable extends CopiedTable {
  readonly number: string;
}

export const isNumbered = (table: CopiedTable): table is NumberedTable => table.number !== null;

/** @param onRows told how many rows there are so far */
export function copyByNumber(
  db: Database,
  table: NumberedTable,
  onRows: (rows: number) => void,
): TableCopy {
  return new RowidCopy(db, table, onRows).run();
}

class RowidCopy {
  readonly #onRows: (rows: number) => void;
  readonly #numbers: Statement;
  readonly #exists: Statement;
  readonly #previous: Statement;
  readonly #insert: Statement;
  #read = 0;
  #refused = 0;
  #failures = 0;
  #isDisordered = false;
  readonly #holes: Stretch[] = [];

  constructor(db: Database, table: NumberedTable, onRows: (rows: number) => void) {
    this.#onRows = onRows;
    const { name, columns, number } = table;
    const from = `FROM old.${quoted(name)} NOT INDEXED WHERE ${number}`;
    this.#insert = db.prepare(`INSERT INTO main.${quoted(name)} (${columns})
      SELECT ${columns} ${from} BETWEEN ? AND ?`);
    this.#numbers = db
      .prepare(`SELECT ${number} ${from} >= ? ORDER BY ${number} LIMIT ?`)
      .pluck()
      .safeIntegers(true);
    this.#previous = db.prepare(`SELECT max(${number}) ${from} < ?`).pluck().safeIntegers(true);
    this.#exists = db.prepare(`SELECT 1 ${from} = ?`).pluck();
  }

  run(): TableCopy {
    // Apart, as a damaged first page would hide where the usual numbers begin.
    this.#copyAll({ first: lowest, last: -1n });
    this.#copyAll({ first: 0n, last: highest });
    if (this.#isDisordered && this.#holes.length === 0) this.#holes.push(everywhere);
    return { read: this.#read, refused: this.#refused, holes: joined(this.#holes) };
  }

  #copyAll({ first, last }: Stretch): void {
    let next: bigint | null = first;
    while (next !== null && next <= last) next = this.#advance({ first: next, last });
  }

  /** Copies the next rows from here on; returns where to go on, or `null` at the end. */
  #advance(rest: Stretch): bigint | null {
    const { first } = rest;
    for (let rows = windowRows; rows >= 1; rows = Math.floor(rows / 2)) {
      const last = this.#lastOf(rest, rows);
      if (last === undefined) continue;
      if (last === null) return null;
      this.#bisect({ first, last }, true);
      return last + 1n;
    }
    return this.#leap(rest);
  }

  /** The number of the last of the next rows; `null`: there is none; `undefined`: unreadable. */
  #lastOf({ first, last }: Stretch, rows: number): bigint | null | undefined {
    try {
      let before: bigint | null = null;
      let end: bigint | null = null;
      for (const number of this.#numbers.iterate(first, rows) as Iterable<bigint>) {
        if (number < first || (end !== null && number <= end)) return this.#disordered();
        if (number > last) {
          // The end, unless it is damaged and good ones follow.
          if (!this.#leadsToRow(number, end, first)) return this.#disordered();
          break;
        }
        before = end;
        end = number;
      }
      if (end !== null && !this.#leadsToRow(end, before, first)) return this.#disordered();
      return end;
    } catch (error) {
      if (isOurs(error)) throw error;
      return undefined;
    }
  }

  /**
   * One that is damaged and too high would lead behind pages that are good: to no row, or to one
   * that has others before it.
   */
  #leadsToRow(number: bigint, before: bigint | null, first: bigint): boolean {
    if (this.#exists.get(number) === undefined) return false;
    try {
      const previous = (this.#previous.get(number) ?? null) as bigint | null;
      return previous === before || (before === null && previous !== null && previous < first);
    } catch (error) {
      if (isOurs(error)) throw error;
      return true; // it is the first behind a page that cannot be read
    }
  }

  #disordered(): undefined {
    this.#isDisordered = true;
  }

  #isReadable(first: bigint, { last }: Stretch): boolean {
    return this.#lastOf({ first, last }, 1) !== undefined;
  }

  /** Over what cannot be read from here: in steps that double, then back to its end. */
  #leap(rest: Stretch): bigint | null {
    const { first } = rest;
    let bad = first;
    let good: bigint | null = null;
    for (const probe of probesOf(rest)) {
      if (this.#isReadable(probe, rest)) {
        good = probe;
        break;
      }
      bad = probe;
    }
    if (good === null) {
      // Negative numbers are hardly ever used: what cannot be read need not have any.
      if (first === lowest) this.#holes.push(rest);
      else this.#bisect({ first, last: least(first + leapMax, rest.last) }, false);
      return null;
    }
    while (good - bad > 1n) {
      const middle: bigint = bad + (good - bad) / 2n;
      if (this.#isReadable(middle, rest)) good = middle;
      else bad = middle;
    }
    // Between them there may be good pages that the steps have missed.
    this.#bisect({ first, last: bad }, false);
    return good;
  }

  /** @param isOrdered whether its numbers have been looked at */
  #bisect(whole: Stretch, isOrdered: boolean): void {
    let failuresLeft = Math.min(failuresMaxOfPlace, failuresMax - this.#failures);
    // Widest first, so that a large table of few damaged pages does not use the failures up.
    let open: Stretch[] = [whole];
    while (open.length > 0) {
      const halves: Stretch[] = [];
      for (const stretch of open) {
        const isDone = this.#copy(stretch, isOrdered && stretch === whole);
        this.#onRows(this.#read);
        if (isDone) continue;
        this.#failures += 1;
        failuresLeft -= 1;
        if (stretch.first < stretch.last && failuresLeft >= 0) halves.push(...halvesOf(stretch));
        else this.#holes.push(stretch);
      }
      open = halves;
    }
  }

  /** Returns whether it could be copied. */
  #copy(stretch: Stretch, isOrdered: boolean): boolean {
    const { first, last } = stretch;
    if (!isOrdered) {
      const found = this.#lastOf(stretch, everyRow);
      if (found === null) return true;
      if (found === undefined) return false;
    }
    try {
      this.#read += this.#insert.run(first, last).changes;
      return true;
    } catch (error) {
      if (isOurs(error)) throw error;
      if (first === last && isRefusal(error)) this.#refused += 1;
      return false;
    }
  }
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);

/** Rising numbers behind the first: dense at both ends, as nobody knows where the rows are. */
function* probesOf({ first, last }: Stretch): Generator<bigint> {
  const middle = first + (last - first) / 2n;
  for (let step = 1n; first + step <= middle; step *= 2n) yield first + step;
  for (let back = 2n ** 63n; back >= 1n; back /= 2n) {
    if (last - back > middle) yield last - back;
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

/**
 * The schema of a damaged file, on a copy of it: one statement that SQLite cannot read, or a first
 * page that leads nowhere, and it opens no table at all. What cannot be saved is named.
 */
import { closeSync, copyFileSync, openSync, rmSync, statSync } from 'node:fs';
import { systemClock } from '../../core/clock.ts';
import type { Database, DatabaseConstructor } from '../sqlite/database.ts';
import { isUnreadable } from '../sqlite/failures.ts';
import { migrate } from '../sqlite/migrate.ts';
import { refuseFullDisk } from './copies.ts';
import { type SchemaLeaf, schemaLeaves, writeFirstPage } from './first-page.ts';
import { filePages, type HeaderFacts } from './page-file.ts';

export interface Readable {
  /** A file that SQLite opens; `null`: not even its tables were found. */
  readonly readable: string | null;
  /** What the schema had and has no more, as it is told. */
  readonly schemaLost: readonly string[];
}

export interface Mending {
  readonly Constructor: DatabaseConstructor;
  /** The copy that is to be read; it is not changed. */
  readonly whole: string;
  readonly header: HeaderFacts;
  /** A free name for another copy. */
  readonly name: string;
}

/** Statements of a schema that are taken out before it is given up. */
const malformedMax = 1_000;
const unknownLost = 'what stood on a damaged page of the schema';

/** @throws OUTBOX_FULL when there is no room for another copy */
export function makeReadable(mending: Mending): Readable {
  const { Constructor, whole, name, header } = mending;
  if (statSync(whole).size > 0 && messageOf(Constructor, whole) === null) {
    return { readable: whole, schemaLost: [] };
  }
  refuseFullDisk(name, statSync(whole).size * 2); // this copy, and the new file
  copyFileSync(whole, name);
  const named = statSync(name).size === 0 ? null : withoutMalformed(Constructor, name);
  if (named !== null) return { readable: name, schemaLost: named };
  const leaves = leavesIn(whole, header);
  // One of them may be what SQLite cannot read.
  for (const left of [leaves, ...leaves.map((leaf) => leaves.filter((one) => one !== leaf))]) {
    const lost = left.length === 0 ? null : withFirstPage(mending, left);
    if (lost !== null) return { readable: name, schemaLost: [unknownLost, ...lost] };
  }
  return { readable: null, schemaLost: [unknownLost] };
}

function leavesIn(whole: string, header: HeaderFacts): SchemaLeaf[] {
  const file = openSync(whole, 'r');
  try {
    return schemaLeaves(filePages(file, statSync(whole).size, header));
  } finally {
    closeSync(file);
  }
}

function withFirstPage(mending: Mending, leaves: readonly SchemaLeaf[]): string[] | null {
  const { Constructor, whole, header, name } = mending;
  for (const suffix of ['', '-wal', '-shm']) rmSync(name + suffix, { force: true });
  copyFileSync(whole, name);
  const file = openSync(name, 'r+');
  try {
    writeFirstPage(file, filePages(file, statSync(name).size, header), leaves);
  } finally {
    closeSync(file);
  }
  return withoutMalformed(Constructor, name);
}

/** Why SQLite does not read the schema from one end to the other; `null`: it does. */
function messageOf(Constructor: DatabaseConstructor, file: string): string | null {
  return tried(Constructor, file, (db) => {
    db.pragma('query_only = ON');
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
  });
}

function tried(
  Constructor: DatabaseConstructor,
  file: string,
  work: (db: Database) => void,
): string | null {
  let db: Database | null = null;
  try {
    db = new Constructor(file, { timeout: 0 });
    work(db);
    return null;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return (error as Error).message;
  } finally {
    db?.close();
  }
}

/** Ours are known by heart; others are taken out and named. `null`: it cannot be mended so. */
function withoutMalformed(Constructor: DatabaseConstructor, file: string): string[] | null {
  const own = ownSql(Constructor);
  const known = new Map(own);
  const lost: string[] = [];
  for (let count = 0; count < malformedMax; count += 1) {
    const message = messageOf(Constructor, file);
    if (message === null) return lost;
    const name = /^malformed database schema \((.*?)\)( - |$)/.exec(message)?.[1];
    if (name === undefined) return null;
    const sql = known.get(name) ?? null;
    known.delete(name); // when it is still malformed, its line has more than a wrong statement
    let type: unknown;
    const failed = tried(Constructor, file, (db) => {
      db.unsafeMode(true);
      db.pragma('writable_schema = ON');
      type = db.prepare('SELECT type FROM sqlite_schema WHERE name = ?').pluck().get(name);
      if (sql === null) db.prepare('DELETE FROM sqlite_schema WHERE name = ?').run(name);
      else db.prepare('UPDATE sqlite_schema SET sql = ? WHERE name = ?').run(sql, name);
    });
    if (failed !== null || type === undefined) return null;
    if (!own.has(name)) lost.push(`${type} ${name}`);
  }
  return null;
}

/** Statements of this version's own objects, by their names. */
function ownSql(Constructor: DatabaseConstructor): Map<string, string> {
  const model = new Constructor(':memory:');
  try {
    migrate(model, { clock: systemClock, lanes: 1 });
    const rows = model.prepare('SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL').all();
    return new Map((rows as { name: string; sql: string }[]).map(({ name, sql }) => [name, sql]));
  } finally {
    model.close();
  }
}

/** Everything that is wrong inside a file: SQLite's own check, our schema, our invariants. */
import { systemClock } from '../../core/clock.ts';
import type { Fault, Progress } from '../integrity.ts';
import type { Database, DatabaseConstructor } from '../sqlite/database.ts';
import { isUnreadable, sqliteCode } from '../sqlite/failures.ts';
import { knownSchema, migrate, oldestCode, schemaVersion } from '../sqlite/migrate.ts';
import { Faults } from './fault-list.ts';
import { type Invariant, invariants, type SeqSpan } from './invariants.ts';
import { checkFilePages, checkTables } from './page-check.ts';
import { plainTables } from './salvage.ts';

const rangeRows = 10_000;

/**
 * @param onProgress told before each part, and for each range of a long one
 * @throws what SQLite throws when it is not damage: OUTBOX_BUSY, OUTBOX_IO
 */
export function findFaults(
  db: Database,
  Constructor: DatabaseConstructor,
  onProgress: Progress,
): Fault[] {
  return find(db, Constructor, { look: (faults) => checkFilePages(db, faults), onProgress });
}

/** As {@link findFaults}, of the outbox's own tables alone. */
export function findOwnFaults(
  db: Database,
  Constructor: DatabaseConstructor,
  onProgress: Progress,
): Fault[] {
  const own = ['sqlite_schema', 'outbox_meta', 'outbox_migrations', ...plainTables];
  return find(db, Constructor, { look: (faults) => checkTables(db, own, faults), onProgress });
}

interface Look {
  /** At the pages, first of all. */
  readonly look: (faults: Faults) => void;
  readonly onProgress: Progress;
}

function find(db: Database, Constructor: DatabaseConstructor, pages: Look): Fault[] {
  const { onProgress } = pages;
  const faults = new Faults();
  onProgress('pages and indexes', 0, null);
  pages.look(faults);
  let usable = false;
  during(faults, 'the schema', () => {
    usable = checkSchema(db, Constructor, faults);
  });
  if (!usable) return faults.list();
  for (const invariant of invariants) {
    during(faults, invariant.code, () => look(db, invariant, { faults, onProgress }));
  }
  return faults.list();
}

/** A page that cannot be read is what was looked for. */
function during(faults: Faults, what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    const isSchema = sqliteCode(error) === 'SQLITE_ERROR'; // a table or column is missing
    if (!isUnreadable(error) && !isSchema) throw error;
    const code = isSchema ? 'schema.objects' : 'file.integrity';
    faults.add(code, `${what}: ${(error as Error).message}`);
  }
}

/** Returns whether the tables are there, as this code knows them. */
function checkSchema(db: Database, Constructor: DatabaseConstructor, faults: Faults): boolean {
  const version = schemaVersion(db);
  const known = knownSchema();
  if (version === 0) faults.add('schema.version', 'the file has no outbox tables');
  else if (version < known) {
    faults.add('schema.version', `the file has schema ${version}, this code knows ${known}`);
  }
  if (version < known) return false;
  if (version > known) {
    if (oldestCode(db) > known) {
      faults.add('schema.version', `schema ${version} is too new for this code`);
      return false;
    }
  } else compareSchema(db, Constructor, faults);
  const rows = db.prepare('SELECT 1 FROM outbox_meta').all().length;
  if (rows !== 1) faults.add('meta.row', `outbox_meta has ${rows} rows`);
  return rows === 1;
}

const objectsSql = "SELECT type, name, sql FROM sqlite_master WHERE name GLOB 'outbox_*'";
interface SchemaObject {
  readonly type: string;
  readonly name: string;
  readonly sql: string;
}

/** With what the migrations make in an empty database. */
function compareSchema(db: Database, Constructor: DatabaseConstructor, faults: Faults): void {
  const model = new Constructor(':memory:');
  try {
    migrate(model, { clock: systemClock, lanes: 1 });
    const there = new Map(
      (db.prepare(objectsSql).all() as SchemaObject[]).map(({ name, sql }) => [name, sql]),
    );
    for (const { type, name, sql } of model.prepare(objectsSql).all() as SchemaObject[]) {
      if (!there.has(name)) faults.add('schema.objects', `${type} ${name} is missing`);
      else if (there.get(name) !== sql) faults.add('schema.objects', `${type} ${name} differs`);
    }
  } finally {
    model.close();
  }
}

interface Asked {
  readonly faults: Faults;
  readonly onProgress: Progress;
}

function look(db: Database, { code, ranges, breaches }: Invariant, asked: Asked): void {
  const { faults, onProgress } = asked;
  onProgress(code, 0, null);
  if (ranges === null) {
    for (const example of breaches(db, { after: 0, to: 0 })) faults.add(code, example);
    return;
  }
  const end = Number(db.prepare(`SELECT max(seq) FROM ${ranges}`).pluck().get() ?? 0);
  for (const range of rangesOf(db, ranges)) {
    onProgress(code, Math.min(range.to, end), end);
    for (const example of breaches(db, range)) faults.add(code, example);
  }
}

function* rangesOf(db: Database, table: string): Generator<SeqSpan> {
  const next = db
    .prepare(`
      SELECT max(seq) FROM (SELECT seq FROM ${table} WHERE seq > ? ORDER BY seq LIMIT ?)`)
    .pluck();
  for (let after = 0; ; ) {
    const to = next.get(after, rangeRows) as number | null;
    if (to === null) return;
    yield { after, to };
    after = to;
  }
}

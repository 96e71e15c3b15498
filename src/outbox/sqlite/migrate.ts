/**
 * Numbered SQL files, applied once each, one transaction each. Two processes may race: the ledger
 * is read again inside the write transaction. A kill -9 leaves the schema at a whole number.
 *
 * Each file begins with `-- oldest code: N`: code that knows schema N or later may go on using the
 * file after this migration. It is kept in the ledger, where older code reads it, so that
 * applications and relays can be upgraded in any order.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import {
  invariant,
  MigrationFailedError,
  SchemaMissingError,
  SchemaNewerError,
} from '../../core/errors.ts';
import type { Database } from './database.ts';
import { isBusy, isDamage, toOutboxError } from './failures.ts';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** Code that knows this schema version, or a later one, may use the file afterwards. */
  readonly oldestCode: number;
}

export interface MigrateOptions {
  readonly clock: Clock;
  /** Lanes of a new outbox. */
  readonly lanes: number;
}

/** The package's own folder; the same distance from `src` and from `dist`. */
const folder = new URL('../../../migrations/', import.meta.url);

export function readMigrations(): Migration[] {
  const migrations = readdirSync(folder)
    .filter((name) => /^\d{4}_.+\.sql$/.test(name))
    .sort()
    .map((name) => parseMigration(name, readFileSync(new URL(name, folder), 'utf8')));
  for (const [index, { version, name }] of migrations.entries()) {
    invariant(version === index + 1, `migrations are numbered without gaps: ${name}`);
  }
  return migrations;
}

export function parseMigration(name: string, sql: string): Migration {
  const version = Number(name.slice(0, 4));
  const oldestCode = Number(/^-- oldest code: (\d+)\r?\n/.exec(sql)?.[1]);
  const legal = oldestCode >= 1 && oldestCode <= version;
  invariant(legal, `${name} begins with "-- oldest code: N", N from 1 to ${version}`);
  return { version, name, sql, oldestCode };
}

/** Version of the file's schema; 0 when it has none of ours. */
export function schemaVersion(db: Database): number {
  const exists = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'outbox_migrations'").get();
  if (exists === undefined) return 0;
  return Number(db.prepare('SELECT max(version) FROM outbox_migrations').pluck().get() ?? 0);
}

/** Code that knows this schema version, or a later one, may use the file. Needs the ledger. */
export function oldestCode(db: Database): number {
  return Number(db.prepare(`SELECT ${oldestCodeSql}`).pluck().get());
}

/** As an expression, for statements that must not run after this code has become too old. */
export const oldestCodeSql = '(SELECT max(oldest_code) FROM outbox_migrations)';

let known = 0;

/** The newest schema version that this code knows. */
export function knownSchema(): number {
  known ||= readMigrations().length;
  return known;
}

/** @throws SCHEMA_NEWER when the file's schema is newer, even if this code may use it */
export function refuseNewer(db: Database): void {
  const version = schemaVersion(db);
  if (version <= knownSchema()) return;
  throw new SchemaNewerError(`the file has schema ${version}, this code knows ${knownSchema()}`);
}

/** @throws SCHEMA_NEWER when the file has been migrated beyond this code since it was opened */
export function refuseTooOld(oldest: number): void {
  if (oldest <= knownSchema()) return;
  const message = `the file has been migrated, for code from schema ${oldest} on`;
  throw new SchemaNewerError(`${message}; this code knows ${knownSchema()}`);
}

/**
 * Checks that this code may use the file: its schema is the one known here, or a newer one that
 * says so.
 * @throws SCHEMA_MISSING, SCHEMA_NEWER
 */
export function checkSchema(db: Database, migrations = readMigrations()): void {
  const version = schemaVersion(db);
  const known = migrations.length;
  if (version > known) {
    const oldest = oldestCode(db);
    if (oldest <= known) return;
    const message = `the file has schema ${version}, for code from schema ${oldest} on`;
    throw new SchemaNewerError(`${message}; this code knows ${known}`);
  }
  if (version < known) {
    throw new SchemaMissingError(`the file has schema ${version}, this code needs ${known}`);
  }
}

/**
 * Brings the file to the newest schema. Needs a connection of our own.
 * @returns names of the migrations that were applied by this call
 * @throws SCHEMA_NEWER, MIGRATION_FAILED, OUTBOX_BUSY
 */
export function migrate(
  db: Database,
  options: MigrateOptions,
  migrations = readMigrations(),
): string[] {
  const before = schemaVersion(db);
  if (before >= migrations.length) {
    checkSchema(db, migrations);
    return [];
  }
  const applied: string[] = [];
  for (const migration of migrations.slice(before)) {
    if (apply(db, migration, options)) applied.push(migration.name);
  }
  checkSchema(db, migrations);
  return applied;
}

/** Returns false when another process was faster. */
function apply(db: Database, migration: Migration, options: MigrateOptions): boolean {
  const { version, name, sql, oldestCode } = migration;
  const waitMs = Number(db.pragma('busy_timeout', { simple: true }));
  db.pragma('busy_timeout = 5000');
  try {
    return db
      .transaction(() => {
        if (schemaVersion(db) >= version) return false;
        if (version === 1) db.exec(ledger);
        db.exec(sql);
        const row = { version, name, oldestCode, atMs: options.clock.now() };
        db.prepare(insertMigration).run(row);
        if (version === 1) insertFirstRows(db, options);
        return true;
      })
      .immediate();
  } catch (error) {
    if (isBusy(error) || isDamage(error)) throw toOutboxError(error, `migration ${name}`);
    throw new MigrationFailedError(`migration ${name}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    db.pragma(`busy_timeout = ${waitMs}`);
  }
}

const ledger = `CREATE TABLE outbox_migrations (
  version     INTEGER PRIMARY KEY,
  name        TEXT    NOT NULL,
  oldest_code INTEGER NOT NULL,
  applied_at  INTEGER NOT NULL
) STRICT`;

const insertMigration = `
  INSERT INTO outbox_migrations (version, name, oldest_code, applied_at)
  VALUES (@version, @name, @oldestCode, @atMs)`;

function insertFirstRows(db: Database, { clock, lanes }: MigrateOptions): void {
  db.prepare(`
    INSERT INTO outbox_meta (one, outbox_id, incarnation, lanes, created_at)
    VALUES (1, ?, ?, ?, ?)`).run(randomUUID(), randomUUID(), lanes, clock.now());
  const insertLane = db.prepare('INSERT INTO outbox_lanes (lane) VALUES (?)');
  for (let lane = 0; lane < lanes; lane += 1) insertLane.run(lane);
}

/**
 * Numbered SQL files, applied once each, one transaction each. Two processes may race: the ledger
 * is read again inside the write transaction. A kill -9 leaves the schema at a whole number.
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
import { isBusy, toOutboxError } from './failures.ts';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
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
    .map((name) => ({
      version: Number(name.slice(0, 4)),
      name,
      sql: readFileSync(new URL(name, folder), 'utf8'),
    }));
  for (const [index, { version, name }] of migrations.entries()) {
    invariant(version === index + 1, `migrations are numbered without gaps: ${name}`);
  }
  return migrations;
}

/** Version of the file's schema; 0 when it has none of ours. */
export function schemaVersion(db: Database): number {
  const exists = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'outbox_migrations'").get();
  if (exists === undefined) return 0;
  return Number(db.prepare('SELECT max(version) FROM outbox_migrations').pluck().get() ?? 0);
}

/**
 * Checks that the file has exactly the schema that this code knows.
 * @throws SCHEMA_MISSING, SCHEMA_NEWER
 */
export function checkSchema(db: Database, migrations = readMigrations()): void {
  const version = schemaVersion(db);
  const known = migrations.length;
  if (version > known) {
    throw new SchemaNewerError(`the file has schema ${version}, this code knows ${known}`);
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
  const { version, name, sql } = migration;
  const waitMs = Number(db.pragma('busy_timeout', { simple: true }));
  db.pragma('busy_timeout = 5000');
  try {
    return db
      .transaction(() => {
        if (schemaVersion(db) >= version) return false;
        if (version === 1) db.exec(ledger);
        db.exec(sql);
        db.prepare('INSERT INTO outbox_migrations VALUES (?, ?, ?)').run(
          version,
          name,
          options.clock.now(),
        );
        if (version === 1) insertFirstRows(db, options);
        return true;
      })
      .immediate();
  } catch (error) {
    if (isBusy(error)) throw toOutboxError(error, `migration ${name}`);
    throw new MigrationFailedError(`migration ${name}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    db.pragma(`busy_timeout = ${waitMs}`);
  }
}

const ledger = `CREATE TABLE outbox_migrations (
  version    INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT`;

function insertFirstRows(db: Database, { clock, lanes }: MigrateOptions): void {
  db.prepare(`
    INSERT INTO outbox_meta (one, outbox_id, incarnation, lanes, created_at)
    VALUES (1, ?, ?, ?, ?)`).run(randomUUID(), randomUUID(), lanes, clock.now());
  const insertLane = db.prepare('INSERT INTO outbox_lanes (lane) VALUES (?)');
  for (let lane = 0; lane < lanes; lane += 1) insertLane.run(lane);
}

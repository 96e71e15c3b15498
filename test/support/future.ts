/** A schema of a version that does not exist yet: every table has one column more. */
import Database from 'better-sqlite3';
import { systemClock } from '../../src/core/clock.ts';
import { migrate, parseMigration, readMigrations } from '../../src/outbox/sqlite/migrate.ts';

/** @param oldestCode the oldest schema whose code may go on using the file */
export function migrateToTheFuture(path: string, oldestCode: number): void {
  const db = new Database(path);
  try {
    const names = db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'outbox_%'")
      .pluck()
      .all();
    const columns = names.map((name) => `ALTER TABLE ${name} ADD COLUMN future TEXT DEFAULT 'x';`);
    const known = readMigrations();
    const next = known.length + 1;
    const name = `${String(next).padStart(4, '0')}_future.sql`;
    const sql = `-- oldest code: ${oldestCode}\n${columns.join('\n')}`;
    migrate(db, { clock: systemClock, lanes: 8 }, [...known, parseMigration(name, sql)]);
  } finally {
    db.close();
  }
}

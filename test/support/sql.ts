/** SQL on a file as another process would run it: on a connection of its own. */
import Database from 'better-sqlite3';

export function runSql<T = unknown>(path: string, text: string): T[] {
  const db = new Database(path);
  try {
    const statement = db.prepare(text);
    if (statement.reader) return statement.all() as T[];
    statement.run();
    return [];
  } finally {
    db.close();
  }
}

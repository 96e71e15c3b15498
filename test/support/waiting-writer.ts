/**
 * An application that opens the file and waits for its lock; then it adds a row to `shop`. Its
 * process ends without closing the file, as after a kill.
 */
import { writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';

const [path, opened, timeoutMs] = process.argv.slice(2) as [string, string, string];
const db = new Database(path, { timeout: Number(timeoutMs) });
writeFileSync(opened, '');
try {
  db.pragma('journal_mode = WAL');
  db.exec("INSERT INTO shop VALUES ('late')");
  process.stdout.write('written\n');
} catch (error) {
  process.stdout.write(`${(error as { code?: string }).code}\n`);
}
process.kill(process.pid, 'SIGKILL');

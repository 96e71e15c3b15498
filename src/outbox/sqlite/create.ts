/** A new outbox file that only its owner may read: events may hold what others must not see. */
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, linkSync, openSync, rmSync } from 'node:fs';

/**
 * Makes an empty file with mode 0600 when there is none; an empty file is a new database. SQLite
 * gives `-wal` and `-shm` the mode of the file they belong to.
 *
 * It is made under another name and linked: no descriptor of the file itself is ever closed here,
 * which would drop the locks of a connection of this process that has opened it meanwhile. Where
 * there are no links, and on Windows, SQLite makes the file with the modes of the system.
 *
 * A kill -9 in between leaves an empty file of the other name.
 */
export function createPrivately(path: string): void {
  if (process.platform === 'win32' || existsSync(path)) return;
  const made = `${path}-${randomUUID()}`;
  try {
    closeSync(openSync(made, 'wx', 0o600));
    linkSync(made, path);
  } catch {
    // Another process was faster, or the folder does not allow it: SQLite says what is wrong.
  } finally {
    rmSync(made, { force: true });
  }
}

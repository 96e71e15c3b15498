/** Connections of our own: always WAL, always `synchronous=FULL`, hardly ever waiting inside. */
import { existsSync } from 'node:fs';
import { FileInMemoryError, FileNotFoundError, WalUnavailableError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { assertSynchronousFull, checkVersion, refuseNetworkFile } from './checks.ts';
import type { Database, DatabaseConstructor } from './database.ts';
import { toOutboxError } from './failures.ts';

/** Opening may wait inside SQLite: it happens once, and switching to WAL needs the file alone. */
const openTimeoutMs = 5_000;

/**
 * @throws FILE_IN_MEMORY, FILE_NOT_FOUND, FILE_ON_NETWORK, FILE_UNUSABLE, SQLITE_TOO_OLD,
 *   WAL_UNAVAILABLE
 */
export function openConnection(
  Constructor: DatabaseConstructor,
  path: string,
  options: { readonly create: boolean },
): Database {
  // better-sqlite3 trims the path and takes an empty one for a temporary database.
  if (path.trim() === '' || path.includes(':memory:')) {
    throw new FileInMemoryError(`${path.trim() || 'an empty path'} is not a file`);
  }
  if (!options.create && !existsSync(path)) throw new FileNotFoundError(`${path} does not exist`);
  refuseNetworkFile(path);
  let connection: Database | null = null;
  try {
    connection = new Constructor(path, { timeout: openTimeoutMs });
    prepare(connection, path);
    return connection;
  } catch (error) {
    connection?.close();
    throw toOutboxError(error, `opening ${path}`);
  }
}

function prepare(connection: Database, path: string): void {
  checkVersion(connection);
  const isNew = Number(connection.pragma('page_count', { simple: true })) === 0;
  // Only before the first table: a file of ours gives pages back, an application's stays as it is.
  if (isNew) connection.pragma('auto_vacuum = INCREMENTAL');
  const mode = String(connection.pragma('journal_mode = WAL', { simple: true }));
  if (mode !== 'wal') throw new WalUnavailableError(`${path} stays in journal_mode ${mode}`);
  connection.pragma('synchronous = FULL');
  assertSynchronousFull(connection);
  connection.pragma(`busy_timeout = ${limits.busyTimeoutMs}`);
}

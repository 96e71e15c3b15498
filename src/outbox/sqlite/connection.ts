/** Connections of our own: always WAL, always `synchronous=FULL`, hardly ever waiting inside. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import {
  FileInMemoryError,
  FileNotFoundError,
  OutboxBusyError,
  WalUnavailableError,
} from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import {
  assertSynchronousFull,
  checkVersion,
  mainFile,
  refuseEmptied,
  refuseNetworkFile,
} from './checks.ts';
import { createPrivately } from './create.ts';
import type { Database, DatabaseConstructor } from './database.ts';
import { toOutboxError } from './failures.ts';

/** Opening may wait inside SQLite: it happens once, and switching to WAL needs the file alone. */
const openTimeoutMs = 5_000;

export interface ConnectionOptions {
  /** Makes the file when there is none; otherwise FILE_NOT_FOUND. */
  readonly create: boolean;
  /** Leaves the journal mode alone: whether the file is an outbox at all is not known yet. */
  readonly asItIs?: boolean;
}

/**
 * @throws FILE_IN_MEMORY, FILE_NOT_FOUND, FILE_ON_NETWORK, FILE_UNUSABLE, FILE_DAMAGED,
 *   SQLITE_TOO_OLD, WAL_UNAVAILABLE, OUTBOX_BUSY
 */
export function openConnection(
  Constructor: DatabaseConstructor,
  path: string,
  options: ConnectionOptions,
): Database {
  // better-sqlite3 trims the path and takes an empty one for a temporary database.
  if (path.trim() === '' || path.includes(':memory:')) {
    throw new FileInMemoryError(`${path.trim() || 'an empty path'} is not a file`);
  }
  if (!options.create && !existsSync(path)) throw new FileNotFoundError(`${path} does not exist`);
  refuseNetworkFile(path);
  refuseEmptied(realName(path));
  let connection: Database | null = null;
  try {
    if (options.create) createPrivately(path);
    const before = inodeOf(path);
    connection = new Constructor(path, { timeout: openTimeoutMs });
    // Again by the name that SQLite found: the path may be a link into a network share.
    refuseNetworkFile(mainFile(connection));
    checkVersion(connection);
    if (options.asItIs !== true) bringToWal(connection, path);
    connection.pragma('synchronous = FULL');
    // macOS alone: its fsync() leaves the data in the drive's cache. Elsewhere it changes nothing.
    connection.pragma('fullfsync = ON');
    assertSynchronousFull(connection);
    refuseReplaced(path, before);
    connection.pragma(`busy_timeout = ${limits.busyTimeoutMs}`);
    // A slow reader keeps the log of changes growing; without it that much of it stays, for reuse.
    connection.pragma(`journal_size_limit = ${limits.walKeptBytes}`);
    return connection;
  } catch (error) {
    connection?.close();
    throw toOutboxError(error, `opening ${path}`);
  }
}

/** By the name that SQLite gives to the files beside it. */
function realName(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

const inodeOf = (path: string) => statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;

/**
 * A repair has put another file in the place of the one that was opened: what was written to the
 * old one would be lost. It waits for every connection; one of ours has been there since its first
 * statement, so looking once after that is enough.
 */
function refuseReplaced(path: string, before: bigint | undefined): void {
  if (before === undefined || inodeOf(path) === before) return;
  throw new OutboxBusyError(`${path} was replaced while it was opened`);
}

function bringToWal(connection: Database, path: string): void {
  const isNew = Number(connection.pragma('page_count', { simple: true })) === 0;
  // Only before the first table: a file of ours gives pages back, an application's stays as it is.
  if (isNew) connection.pragma('auto_vacuum = INCREMENTAL');
  const mode = String(connection.pragma('journal_mode = WAL', { simple: true }));
  if (mode !== 'wal') throw new WalUnavailableError(`${path} stays in journal_mode ${mode}`);
}

/**
 * The one place that knows better-sqlite3.
 *
 * One copy of SQLite per process: two copies keep separate books of the same POSIX locks, and
 * closing a file in one drops the locks of the other; committed rows then vanish. So connections
 * beside a caller's handle are made by that handle's own constructor, better-sqlite3 is loaded
 * only when there is no handle, and a second loaded copy is refused.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type BetterSqlite3 from 'better-sqlite3';
import { SqliteSecondCopyError } from '../../core/errors.ts';

/** A better-sqlite3 connection. */
export type Database = BetterSqlite3.Database;
export type Statement = BetterSqlite3.Statement<unknown[], unknown>;
export type DatabaseConstructor = new (path: string, options?: BetterSqlite3.Options) => Database;

const registryKey = Symbol.for('outbox-relay.better-sqlite3');
type Registry = { [registryKey]?: DatabaseConstructor };

/** The copy of better-sqlite3 that this project finds by itself. */
export function loadDatabaseConstructor(): DatabaseConstructor {
  const loaded: unknown = createRequire(import.meta.url)('better-sqlite3');
  return onlyCopy(loaded as DatabaseConstructor);
}

/** The copy that made this handle. */
export function constructorOf(handle: Database): DatabaseConstructor {
  return onlyCopy(handle.constructor as DatabaseConstructor);
}

/** @throws SQLITE_SECOND_COPY */
function onlyCopy(found: DatabaseConstructor): DatabaseConstructor {
  const registry = globalThis as Registry;
  registry[registryKey] ??= found;
  if (registry[registryKey] !== found) {
    throw new SqliteSecondCopyError('two copies of better-sqlite3 are used for outboxes');
  }
  // The native part is loaded with the first database. Looking before the outbox file is touched:
  // closing it again would already drop the other copy's locks.
  new found(':memory:').close();
  const files = loadedCopies(readMaps());
  if (files.length > 1) {
    const message = `${files.length} copies of better-sqlite3 are loaded in this process`;
    throw new SqliteSecondCopyError(message, { details: { files } });
  }
  return found;
}

/**
 * Whether `node:sqlite` is loaded in this thread. It is part of Node, so nothing of it is in the
 * process's maps; Node's own list of the modules that it has loaded names it.
 */
export function isBuiltinLoaded(): boolean {
  const { moduleLoadList = [] } = process as { readonly moduleLoadList?: readonly string[] };
  return moduleLoadList.includes('NativeModule sqlite');
}

/** The package's own folders, or the name of its build: not everything below such a folder. */
const nativePart =
  /\s(\/.*(?:\/better-sqlite3\/(?:prebuilds|build)\/[^ ]*|\/better_sqlite3)\.node)( \(deleted\))?$/;

/** Files of better-sqlite3's native part in the text of `/proc/self/maps`. Pure. */
export function loadedCopies(maps: string): string[] {
  const files = new Set<string>();
  for (const line of maps.split('\n')) {
    const file = nativePart.exec(line)?.[1];
    if (file !== undefined) files.add(file);
  }
  return [...files];
}

function readMaps(): string {
  try {
    return readFileSync('/proc/self/maps', 'utf8');
  } catch {
    return ''; // not Linux: the registry above is what is left
  }
}

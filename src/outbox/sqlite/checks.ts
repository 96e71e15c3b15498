/**
 * What an outbox file must be, checked when it is opened: a file, the main one of its connection,
 * on a local disk, under a SQLite without the WAL-reset bug, in WAL with every commit synced.
 */
import { readFileSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  FileAttachedError,
  FileDamagedError,
  FileInMemoryError,
  FileOnNetworkError,
  FileUnusableError,
  SqliteTooOldError,
  SynchronousNotFullError,
  WalUnavailableError,
} from '../../core/errors.ts';
import type { Database } from './database.ts';
import { isBusy, toOutboxError } from './failures.ts';

/** SQLite 3.7.0 to 3.51.2 can corrupt a WAL file when two connections checkpoint at once. */
const sqliteMinimum = [3, 51, 3] as const;

/** `f_type` of statfs(2), from linux/magic.h and the file systems' own sources. */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x73757245, 'Coda'],
]);
const fuse = 0x65735546;
const networkFuse = /^fuse\.(sshfs|s3fs|rclone|gcsfuse|glusterfs|ceph|cephfs|juicefs|mountpoint)/;

/** Name of the network file system, or `null` for a local one. Pure. */
export function networkFileSystem(magic: number, mountType: string | null): string | null {
  const known = networkFileSystems.get(magic >>> 0);
  if (known !== undefined) return known;
  if (magic >>> 0 !== fuse || mountType === null) return null;
  return networkFuse.test(mountType) ? mountType : null;
}

/** Type of the mount that holds `path`, from the text of `/proc/self/mountinfo`. Pure. */
export function mountTypeOf(path: string, mountinfo: string): string | null {
  let best = { point: '', type: null as string | null };
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const point = (left.split(' ')[4] ?? '').replaceAll('\\040', ' ');
    const inside = path === point || path.startsWith(point === '/' ? '/' : `${point}/`);
    if (point === '' || !inside || point.length < best.point.length) continue;
    best = { point, type: right.split(' ')[0] ?? null };
  }
  return best.type;
}

/** @throws FILE_ON_NETWORK */
export function refuseNetworkFile(path: string): void {
  let magic: number;
  let mountType: string | null = null;
  try {
    magic = statfsSync(dirname(path)).type;
    if (magic >>> 0 === fuse) {
      mountType = mountTypeOf(path, readFileSync('/proc/self/mountinfo', 'utf8'));
    }
  } catch {
    return; // no such folder, or not Linux: opening the file says what is wrong
  }
  const name = networkFileSystem(magic, mountType);
  if (name !== null) throw new FileOnNetworkError(`${path} is on a network file system (${name})`);
}

/**
 * SQLite takes an empty file for a new database and deletes the log of changes beside it, which may
 * be all that is left. A new one is never empty beside a log: its first page comes first.
 * @throws FILE_DAMAGED
 */
export function refuseEmptied(path: string): void {
  const bytes = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const log = bytes(`${path}-wal`);
  if (log === 0 || bytes(path) > 0) return;
  throw new FileDamagedError(`${path} is empty or gone, and its log of changes has ${log} bytes`);
}

/** @throws SQLITE_TOO_OLD */
export function refuseOldSqlite(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [index, minimum] of sqliteMinimum.entries()) {
    const part = parts[index] ?? 0;
    if (part > minimum) return;
    if (part < minimum) {
      throw new SqliteTooOldError(`SQLite ${version} is older than ${sqliteMinimum.join('.')}`);
    }
  }
}

function databaseList(connection: Database): { name: string; file: string }[] {
  return connection.pragma('database_list') as { name: string; file: string }[];
}

/** Where SQLite has the main file: absolute and without symbolic links. Empty when in memory. */
export function mainFile(connection: Database): string {
  const file = databaseList(connection).find(({ name }) => name === 'main')?.file ?? '';
  // On Windows SQLite leaves links and short names as they were given.
  return process.platform === 'win32' && file !== '' ? realpathSync.native(file) : file;
}

/**
 * Checks a handle that an application has opened; changes nothing about it.
 * @returns absolute path of its main file
 * @throws FILE_IN_MEMORY, FILE_ATTACHED, FILE_UNUSABLE, SQLITE_TOO_OLD, WAL_UNAVAILABLE,
 *   SYNCHRONOUS_NOT_FULL
 */
export function checkHandle(handle: Database): string {
  const files = databaseList(handle);
  const path = mainFile(handle);
  if (path === '') throw new FileInMemoryError('the handle’s main database is not a file');
  const attached = files.find(({ name }) => name !== 'main' && name !== 'temp');
  if (attached !== undefined) {
    throw new FileAttachedError(`the handle has ${attached.file} attached as ${attached.name}`);
  }
  if (handle.readonly) throw new FileUnusableError('the handle was opened for reading only');
  checkVersion(handle);
  const mode = String(handle.pragma('journal_mode', { simple: true }));
  if (mode !== 'wal') throw new WalUnavailableError(`journal_mode is ${mode}, not wal`);
  assertSynchronousFull(handle);
  return path;
}

/**
 * SQLite opens a file that may only be read without a word, and refuses the first write; for an
 * outbox that would be the first event. Asks for the write lock and changes nothing.
 * @throws FILE_UNUSABLE
 */
export function refuseReadOnly(connection: Database): void {
  try {
    connection.exec('DELETE FROM outbox_meta WHERE 0');
  } catch (error) {
    if (isBusy(error)) return; // another writer has the lock: only a file that can be written waits
    throw toOutboxError(error, 'asking for the write lock');
  }
}

export function checkVersion(connection: Database): void {
  refuseOldSqlite(String(connection.prepare('SELECT sqlite_version()').pluck().get()));
}

/** FULL is 2, EXTRA 3. The setting is the connection's: each one has to be looked at. */
export function assertSynchronousFull(connection: Database): void {
  const level = Number(connection.pragma('synchronous', { simple: true }));
  if (level >= 2) return;
  const name = ['OFF', 'NORMAL'][level] ?? String(level);
  throw new SynchronousNotFullError(`synchronous is ${name} on this connection`);
}

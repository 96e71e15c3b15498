/**
 * Looks at an outbox file and changes nothing about it: no file is made, no schema is brought
 * anywhere, no log is copied back, no side file is left behind.
 */
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FileUnusableError, OutboxRelayError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { watermarkFaults } from '../../core/watermark-fault.ts';
import type {
  ContentFacts,
  FileFacts,
  FileInspection,
  FileProblem,
  FolderFacts,
  SqliteFacts,
  TopicOfOutbox,
} from '../inspection.ts';
import { mountTypeOf, networkFileSystem, refuseOldSqlite } from './checks.ts';
import {
  type Database,
  type DatabaseConstructor,
  isBuiltinLoaded,
  loadDatabaseConstructor,
} from './database.ts';
import { toOutboxError } from './failures.ts';
import { mayBeOpenHere, openToLook } from './look.ts';
import { oldestCode, readMigrations, schemaVersion } from './migrate.ts';
import { walBytesOf } from './room.ts';

/** Total: what cannot be learnt is told as a problem. Blocks for a few milliseconds. */
export function inspectOutboxFile(path: string): FileInspection {
  const folder = attempt('looking at the folder', () => folderFacts(path));
  const file = existsSync(path) ? attempt('looking at the file', () => fileFacts(path)) : null;
  const Constructor = attempt('loading better-sqlite3', loadDatabaseConstructor);
  const sqlite = isProblem(Constructor)
    ? Constructor
    : attempt('asking for the version', () => sqliteFacts(Constructor, path));
  // A second copy of SQLite, or another host, would lose its locks to this connection.
  const alone = !isProblem(sqlite) && sqlite.builtin !== 'perhaps';
  const harmless =
    !isProblem(Constructor) && alone && !isProblem(folder) && folder.network === null;
  const there = file !== null && !isProblem(file);
  const contents =
    there && harmless ? attempt(`opening ${path}`, () => open(Constructor, path)) : null;
  return { path, folder, file, sqlite, contents };
}

function isProblem(found: unknown): found is FileProblem {
  return typeof found === 'object' && found !== null && 'hint' in found;
}

function attempt<T>(doing: string, look: () => T): T | FileProblem {
  try {
    return look();
  } catch (thrown) {
    const error = toOutboxError(thrown, doing);
    if (error instanceof OutboxRelayError) {
      const { code, message, hint } = error;
      return { code, message, hint };
    }
    const { code = 'UNEXPECTED' } = error as NodeJS.ErrnoException;
    const hint = 'See the message; it is the system’s own.';
    return { code, message: `${doing}: ${error.message}`, hint };
  }
}

function folderFacts(path: string): FolderFacts {
  const folder = dirname(existsSync(path) ? realpathSync(path) : resolve(path));
  const { type, bavail, bsize } = statfsSync(folder, { bigint: true });
  const mountType = mountTypeAt(realpathSync(folder));
  return {
    mountType,
    network: networkFileSystem(Number(BigInt.asUintN(32, type)), mountType),
    freeBytes: bavail * bsize,
    writable: isWritable(folder),
  };
}

function mountTypeAt(folder: string): string | null {
  try {
    return mountTypeOf(folder, readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return null; // not Linux
  }
}

function fileFacts(path: string): FileFacts {
  const stat = statSync(path);
  if (!stat.isFile()) {
    const kind = stat.isDirectory() ? 'a folder' : 'no regular file';
    throw new FileUnusableError(`${path} is ${kind}`);
  }
  const { size, mode } = stat;
  const bits = process.platform === 'win32' ? null : mode & 0o777;
  const walBytes = walBytesOf(realpathSync(path));
  return { bytes: size, walBytes, mode: bits, writable: isWritable(path) };
}

/** Asked of the system by name: opening and closing the file would drop SQLite's locks on it. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false; // for whatever reason: it is the answer
  }
}

function sqliteFacts(Constructor: DatabaseConstructor, path: string): SqliteFacts {
  const memory = new Constructor(':memory:');
  const version = String(memory.prepare('SELECT sqlite_version()').pluck().get());
  memory.close();
  const builtin = builtinSqlite(path);
  try {
    refuseOldSqlite(version);
    return { version, tooOld: false, builtin };
  } catch {
    return { version, tooOld: true, builtin };
  }
}

function builtinSqlite(path: string): SqliteFacts['builtin'] {
  if (!isBuiltinLoaded()) return 'absent';
  return mayBeOpenHere(path) ? 'perhaps' : 'elsewhere';
}

function open(Constructor: DatabaseConstructor, path: string): ContentFacts {
  const db = openToLook(Constructor, path, limits.doctorBusyTimeoutMs);
  try {
    return contentFacts(db);
  } finally {
    db.close();
  }
}

function contentFacts(db: Database): ContentFacts {
  const read = (name: string) => db.pragma(name, { simple: true });
  const schema = schemaVersion(db);
  const schemaKnown = readMigrations().length;
  const max = limits.doctorTopicsMax;
  const schemaOldestCode = schema === 0 ? 0 : oldestCode(db);
  const usable = schema >= schemaKnown && schemaOldestCode <= schemaKnown;
  const topics = usable ? topicsOf(db, max) : null;
  return {
    journalMode: String(read('journal_mode')),
    synchronous: Number(read('synchronous')),
    autoVacuum: Number(read('auto_vacuum')),
    freePagesBytes: Number(read('freelist_count')) * Number(read('page_size')),
    schema,
    schemaOldestCode,
    schemaKnown,
    lanesAtOdds: usable ? lanesAtOdds(db) : null,
    topics: topics?.slice(0, max) ?? null,
    topicsCut: topics !== null && topics.length > max,
  };
}

function lanesAtOdds(db: Database): number[] {
  const sql = `SELECT lane FROM outbox_lanes
    WHERE json_extract(last_error, '$.code') IN (${watermarkFaults.map(() => '?').join()})
    ORDER BY lane`;
  return db.prepare(sql).pluck().all(watermarkFaults) as number[];
}

/** Plan of this query is asserted in a test: an index range. */
export const pendingSql = `
  SELECT topic FROM outbox_events WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?`;

/** Topics of the next events of every lane first, then those that were sent to; one too many. */
function topicsOf(db: Database, max: number): TopicOfOutbox[] {
  const lanes = db.prepare('SELECT lane, cursor FROM outbox_lanes').all() as {
    lane: number;
    cursor: number;
  }[];
  const perLane = Math.ceil(limits.doctorEventsMax / Math.max(1, lanes.length));
  const pending = db.prepare(pendingSql).pluck();
  const names = new Set<string>();
  for (const { lane, cursor } of lanes) {
    for (const topic of pending.all(lane, cursor, perLane)) names.add(topic as string);
  }
  const placed = db.prepare('SELECT partitions FROM outbox_topics WHERE topic = ?').pluck();
  const stored = db.prepare('SELECT topic FROM outbox_topics ORDER BY topic LIMIT ?').pluck();
  for (const topic of stored.all(max + 1)) names.add(topic as string);
  return [...names].slice(0, max + 1).map((topic) => {
    return { topic, partitions: (placed.get(topic) as number | undefined) ?? null };
  });
}

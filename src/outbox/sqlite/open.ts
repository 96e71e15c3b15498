/** Opens an outbox: a path of its own, or beside the application's handle on the same file. */
import type { Clock } from '../../core/clock.ts';
import { ConfigInvalidError, LanesDifferError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { OperatorStore } from '../operator.ts';
import type { Bounds, EventAppender, OutboxIdentity, OutboxStore } from '../store.ts';
import { HandleAppender } from './append.ts';
import { checkHandle, mainFile, refuseReadOnly } from './checks.ts';
import { openConnection } from './connection.ts';
import {
  constructorOf,
  type Database,
  type DatabaseConstructor,
  loadDatabaseConstructor,
} from './database.ts';
import { isDamage, isFull, toCommitError, toOutboxError } from './failures.ts';
import { changeLanes } from './lane-count.ts';
import { checkSchema, migrate, refuseNewer } from './migrate.ts';
import { SqliteOperator } from './operator.ts';
import { Presence } from './presence.ts';
import { Reserve } from './reserve.ts';
import { Room } from './room.ts';
import { SqliteStore } from './store.ts';

export type SqliteSource =
  | { readonly path: string; readonly create?: boolean }
  | { readonly db: Database };

/**
 * `auto` makes the file and applies missing migrations; `check` wants them there; `look` too, and
 * changes nothing of the file, which need not be writable.
 */
export type SchemaMode = 'auto' | 'check' | 'look';

export interface SqliteOptions {
  readonly clock: Clock;
  readonly schema: SchemaMode;
  /** Lanes of a new outbox; a file that exists must have the same. Default: 8, or the file's. */
  readonly lanes?: number | undefined;
  /** Lanes of a new outbox, while one that exists keeps its own. No effect beside `lanes`. */
  readonly lanesOfNew?: number | undefined;
  /** Of what `appender` and `openStore` accept. Default: {@link Bounds}. */
  readonly bounds?: Bounds;
  /** Gives a drained file that exists `lanes` instead of refusing. */
  readonly changeLanes?: boolean;
  /**
   * Takes the room that is kept for the relay and operators when the disk is full: opening needs
   * some too. Not for writers, who would fill it. Default: false.
   */
  readonly mayUseReserve?: boolean;
}

export interface SqliteOutbox {
  readonly identity: OutboxIdentity;
  readonly path: string;
  /** Writes on the application's handle, or on one of our own when a path was given. */
  readonly appender: EventAppender;
  /** Names of the migrations that opening applied. */
  readonly migrated: readonly string[];
  /** The number of lanes that opening changed, or `null`. */
  readonly lanesBefore: number | null;
  inTransaction(): boolean;
  /** Runs `fn` in an IMMEDIATE transaction of the appender's handle. */
  transaction<T>(fn: () => T): T;
  /** A store with a connection of its own; the caller closes it. */
  openStore(): OutboxStore;
  /** What operators see and do, with a connection of its own; the caller closes it. */
  openOperator(hooks?: { readonly onActed?: () => void }): OperatorStore;
  /** Closes what this opened; a handle of the application stays open. Legal twice. */
  close(): void;
}

/**
 * @throws FILE_NOT_FOUND, FILE_IN_MEMORY, FILE_ATTACHED, FILE_ON_NETWORK, FILE_UNUSABLE,
 *   FILE_DAMAGED, SQLITE_TOO_OLD, SQLITE_SECOND_COPY, WAL_UNAVAILABLE, SYNCHRONOUS_NOT_FULL,
 *   SCHEMA_MISSING, SCHEMA_NEWER, MIGRATION_FAILED, LANES_DIFFER, OUTBOX_FULL
 */
export function openSqliteOutbox(source: SqliteSource, options: SqliteOptions): SqliteOutbox {
  try {
    return openOnce(source, options);
  } catch (error) {
    const mayTry = options.mayUseReserve === true && 'path' in source && isFull(error);
    if (!mayTry || !new Reserve(source.path).release()) {
      throw isDamage(error) ? toOutboxError(error, 'opening the outbox') : error;
    }
    return openOnce(source, options);
  }
}

function openOnce(source: SqliteSource, options: SqliteOptions): SqliteOutbox {
  const given = 'db' in source ? source.db : null;
  const Constructor = given === null ? loadDatabaseConstructor() : constructorOf(given);
  const named = 'path' in source ? source.path : checkHandle(source.db);
  const mayCreate = 'path' in source && source.create !== false;
  const create = mayCreate && options.schema === 'auto';
  const asItIs = options.schema === 'look';
  const first = openConnection(Constructor, named, { create, asItIs });
  try {
    // One name for one file, whatever it was opened by: side files are found by it.
    const path = mainFile(first);
    const migrated = prepareSchema(first, options);
    if (!asItIs) refuseReadOnly(first);
    const lanesBefore = moveLanes(first, { Constructor, path, options });
    const identity = readIdentity(first, options.lanes);
    const handle = given ?? first;
    if (given === null) first.pragma(`busy_timeout = ${limits.enqueueBusyTimeoutMs}`);
    else first.close();
    const found = { identity, migrated, lanesBefore };
    return describe({ Constructor, path, handle, options, ...found, owned: !given });
  } catch (error) {
    first.close();
    throw error;
  }
}

function prepareSchema(db: Database, options: SqliteOptions): string[] {
  const lanes = options.lanes ?? options.lanesOfNew ?? limits.lanesDefault;
  if (!Number.isInteger(lanes) || lanes < 1 || lanes > limits.lanesMax) {
    throw new ConfigInvalidError(`lanes: ${lanes} is not between 1 and ${limits.lanesMax}`);
  }
  if (options.schema === 'auto') return migrate(db, { clock: options.clock, lanes });
  checkSchema(db);
  return [];
}

interface LaneMove {
  readonly Constructor: DatabaseConstructor;
  readonly path: string;
  readonly options: SqliteOptions;
}

function moveLanes(db: Database, { Constructor, path, options }: LaneMove): number | null {
  const { lanes, changeLanes: wanted = false } = options;
  if (!wanted || lanes === undefined) return null;
  // Its rows may have columns that are not known here.
  refuseNewer(db);
  const presence = new Presence(Constructor, path);
  db.pragma(`busy_timeout = ${limits.enqueueBusyTimeoutMs}`);
  const before = changeLanes(db, { lanes, isRelayAlive: () => presence.isAnybodyAlive() });
  return before === lanes ? null : before;
}

function readIdentity(db: Database, wanted: number | undefined): OutboxIdentity {
  const row = db.prepare('SELECT outbox_id AS outboxId, lanes FROM outbox_meta').get();
  const identity = Object.freeze(row as OutboxIdentity);
  if (wanted !== undefined && wanted !== identity.lanes) {
    throw new LanesDifferError(`the file has ${identity.lanes} lanes, ${wanted} were asked for`);
  }
  return identity;
}

/** What `fn` throws is the caller's and passes as it is; BEGIN and COMMIT fail in our words. */
function runTransaction<T>(handle: Database, fn: () => T): T {
  let phase = 'begin' as 'begin' | 'work' | 'commit';
  const work = handle.transaction(() => {
    phase = 'work';
    const result = fn();
    phase = 'commit';
    return result;
  });
  try {
    return work.immediate();
  } catch (error) {
    if (phase === 'work') throw error;
    throw phase === 'begin'
      ? toOutboxError(error, 'beginning')
      : toCommitError(error, 'a transaction');
  }
}

interface Opened {
  readonly Constructor: DatabaseConstructor;
  readonly path: string;
  readonly identity: OutboxIdentity;
  readonly handle: Database;
  readonly options: SqliteOptions;
  readonly migrated: readonly string[];
  readonly lanesBefore: number | null;
  readonly owned: boolean;
}

function describe({ Constructor, path, identity, handle, options, ...rest }: Opened): SqliteOutbox {
  const { freeDiskBytes = limits.freeDiskBytesDefault, ...given } = options.bounds ?? {};
  const bounds = { ...given, freeDiskBytes };
  const { clock } = options;
  const room = new Room({ db: handle, path, bounds, clock });
  const appender = new HandleAppender(handle, identity, room);
  return {
    identity,
    path,
    appender,
    migrated: rest.migrated,
    lanesBefore: rest.lanesBefore,
    inTransaction: () => handle.inTransaction,
    transaction: <T>(fn: () => T): T => runTransaction(handle, fn),
    openStore: () => {
      const db = openConnection(Constructor, path, { create: false });
      return new SqliteStore({ db, Constructor, path, identity, clock, bounds });
    },
    openOperator: ({ onActed = () => {} } = {}) => {
      const db = openConnection(Constructor, path, { create: false });
      db.pragma(`busy_timeout = ${limits.operatorBusyTimeoutMs}`);
      // What is purged is overwritten in the file, not only taken out of its tables.
      db.pragma('secure_delete = ON');
      const presence = new Presence(Constructor, path);
      const reserve = new Reserve(path);
      return new SqliteOperator({ db, clock: options.clock, presence, reserve, onActed });
    },
    close: () => {
      if (rest.owned) handle.close();
    },
  };
}

/** An outbox file by its path: made, upgraded, looked at, operated; nothing is relayed. */
import { type CheckReport, judge } from './admin/check.ts';
import { Operator } from './admin/operator.ts';
import { type OutboxStatus, readStatus } from './admin/status.ts';
import { systemClock } from './core/clock.ts';
import { lookForFaults } from './outbox/damage/look-for-faults.ts';
import type { Progress } from './outbox/integrity.ts';
import { openSqliteOutbox } from './outbox/sqlite/open.ts';
import type { OutboxIdentity } from './outbox/store.ts';

/** What {@link migrateOutbox} did, and the outbox as it is now. */
export interface MigrateResult extends OutboxIdentity {
  /** Names of the migrations that this call applied. */
  readonly applied: readonly string[];
  /** The number of lanes that this call changed, or `null`. */
  readonly lanesBefore: number | null;
}

/**
 * Makes an outbox at `path`, or brings it to this version's schema.
 * @param lanes 1 to 256, for a new outbox or a drained one. Default: 8, or the file's
 * @throws as `openOutbox`; LANES_IN_USE
 */
export function migrateOutbox(path: string, lanes?: number): MigrateResult {
  const may = { changeLanes: true, mayUseReserve: true };
  const how = { clock: systemClock, schema: 'auto', lanes, ...may } as const;
  const opened = openSqliteOutbox({ path }, how);
  opened.close();
  const { identity, migrated, lanesBefore } = opened;
  return { ...identity, applied: migrated, lanesBefore };
}

/** Reads the status of one file as often as wanted. */
export interface StatusReader {
  /** The status now. Throws OUTBOX_BUSY, OUTBOX_IO, OUTBOX_CLOSED. */
  read(): OutboxStatus;
  /** Closes the file. Legal twice. */
  close(): void;
}

/** The status of an outbox file, with or without a relay. Writes and migrates nothing. */
export function openStatus(path: string): StatusReader {
  const opened = openSqliteOutbox({ path, create: false }, { clock: systemClock, schema: 'look' });
  const store = opened.openStore();
  opened.close();
  return { read: () => readStatus(store, systemClock), close: () => store.close() };
}

/**
 * An outbox file for an operator's acts, with or without a relay beside.
 * @param hooks.onActed called inside an act's transaction, before its audit row; for tests
 * @throws FILE_NOT_FOUND and what else opening an outbox throws; migrates nothing
 */
export function openOperator(
  path: string,
  hooks: { readonly onActed?: () => void } = {},
): Operator {
  const how = { clock: systemClock, schema: 'check', mayUseReserve: true } as const;
  const opened = openSqliteOutbox({ path, create: false }, how);
  const store = opened.openOperator(hooks);
  opened.close();
  return new Operator(store);
}

/** What a caller of {@link checkFile} may say. */
export interface CheckOptions {
  /** Told what is looked at, and how far it is. Default: nobody. */
  readonly onProgress?: Progress;
}

/**
 * Reads the whole file and says what is wrong in it: damaged pages, missing tables, and whatever an
 * outbox must hold and does not. Changes nothing; applications and relays may go on. Blocks until
 * it is done: seconds for each gigabyte.
 * @returns `ok` is false when a finding is a `warning` or an `error`
 * @throws FILE_NOT_FOUND, FILE_UNUSABLE, FILE_ON_NETWORK, SQLITE_SECOND_COPY, OUTBOX_BUSY, OUTBOX_IO
 */
export function checkFile(path: string, options: CheckOptions = {}): CheckReport {
  return judge(path, lookForFaults(path, options.onProgress ?? (() => {})));
}

/** An outbox file by its path: made, upgraded, looked at, operated; nothing is relayed. */
import { type CheckReport, judge, needsRepair } from './admin/check.ts';
import { Operator, who } from './admin/operator.ts';
import { type RepairReport, reportOf } from './admin/repair.ts';
import { type OutboxStatus, readStatus } from './admin/status.ts';
import { systemClock } from './core/clock.ts';
import { lookForFaults } from './outbox/damage/look-for-faults.ts';
import { type RepairStep, repairOutbox } from './outbox/damage/repair.ts';
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
  /** The status now. Throws OUTBOX_BUSY, OUTBOX_IO, OUTBOX_CLOSED, FILE_DAMAGED. */
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
 * it has read the whole file.
 * @returns `ok` is false when a finding is a `warning` or an `error`
 * @throws FILE_NOT_FOUND, FILE_UNUSABLE, FILE_ON_NETWORK, SQLITE_TOO_OLD, SQLITE_SECOND_COPY,
 *   OUTBOX_BUSY, OUTBOX_IO
 */
export function checkFile(path: string, options: CheckOptions = {}): CheckReport {
  return judge(path, lookForFaults(path, options.onProgress ?? (() => {})));
}

/** What a caller of {@link repairFile} may say. */
export interface RepairFileOptions {
  /** Kept in the audit. Default: the name of the operating system's user, or its number. */
  readonly actor?: string;
  /** Kept in the audit. Default: none. */
  readonly reason?: string;
  /** Says what a repair would come to, and changes nothing. Default: false. */
  readonly dryRun?: boolean;
  /** Makes the file anew although nothing is wrong with it. Default: false. */
  readonly force?: boolean;
  /** Told what is read, and how far it is. Default: nobody. */
  readonly onProgress?: Progress;
  /** Called between the steps; for tests that end the process there. */
  readonly onStep?: (step: RepairStep) => void;
  /**
   * How long a process that began to open the file meanwhile may take to give up, in ms, from 0;
   * after it FILE_IN_USE is thrown. Only processes that this user may look into are seen, and only
   * on Linux. Default: 30 000.
   */
  readonly openersMs?: number;
}

/** A busy timeout is 5 s by default, and seldom more. */
const openersMsDefault = 30_000;

/**
 * Puts what can be read of a damaged file into a new one in its place; the old file is set aside
 * under another name, byte for byte, with its log. Nobody may have it open. An event that may be
 * pending is kept as pending or held, so some may be delivered twice. A file that is in order is
 * left alone. Killed anywhere, the next call begins anew. Blocks until it is done, and takes up to
 * three times the file's size on the disk meanwhile, four times where its schema is damaged.
 * @throws FILE_NOT_FOUND, FILE_UNUSABLE for what never was an outbox, FILE_IN_USE, SCHEMA_NEWER,
 *   FILE_ON_NETWORK, SQLITE_TOO_OLD, SQLITE_SECOND_COPY, OUTBOX_FULL, OUTBOX_IO
 */
export function repairFile(path: string, options: RepairFileOptions = {}): RepairReport {
  const { dryRun = false, force = false, onProgress = () => {}, onStep = () => {} } = options;
  const { openersMs = openersMsDefault } = options;
  const how = { clock: systemClock, dryRun, force, needsRepair, onProgress, onStep, openersMs };
  return reportOf(repairOutbox(path, { ...how, ...who(options) }), dryRun);
}

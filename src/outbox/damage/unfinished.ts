/**
 * The record of a replacement whose last steps are about to be made. From the moment in which a
 * damaged log loses its name, what stood behind the damage is in the new file alone: a repair that
 * is killed then must be finished by the next one, not begun anew on what is left.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RepairFacts } from '../integrity.ts';
import { fileIdOf } from '../sqlite/look.ts';
import { freeName, stampOf, syncFolder, writeWhole } from './copies.ts';

export interface Unfinished {
  /** The new file: whole and durable. */
  readonly fresh: string;
  /** Where the damaged one is. */
  readonly damaged: string;
  /** Of the file that has the name until then. */
  readonly stamp: string;
  readonly facts: RepairFacts;
}

export const recordSuffix = '-record';
/** What the names of a repair's own files begin with, in the folder of the file. */
export const scratchPrefix = (path: string) => `${basename(path)}.repairing-`;

/** Durable when it returns. */
export function writeRecord(file: string, unfinished: Unfinished): void {
  const record = openSync(file, 'wx', 0o600);
  try {
    writeWhole(record, Buffer.from(JSON.stringify(unfinished)), 0);
    fsyncSync(record);
  } finally {
    closeSync(record);
  }
  syncFolder(dirname(file));
}

/**
 * What a killed repair of this file has left to be finished; `null`: nothing, or its log is there
 * still, or somebody has written since. Changes nothing, so that a dry run may ask, and whoever
 * does not hold the repair's lock.
 */
export function findUnfinished(path: string): Unfinished | null {
  return recordedFor(path).find((one) => !isOutdated(path, one)) ?? null;
}

/**
 * Sets new files aside, beside the damaged one, that cannot take their place any more: what stood
 * behind the damage is in them alone. To be called with the repair's lock held, and before its
 * scratch files are removed.
 */
export function setOutdatedAside(path: string): void {
  for (const one of recordedFor(path)) {
    if (!isOutdated(path, one)) continue;
    renameSync(one.fresh, freeName(`${one.damaged}-repaired`));
    syncFolder(dirname(path));
  }
}

/** Whether somebody has written since: to the file, or to a log that came after the damaged one. */
const isOutdated = (path: string, { stamp }: Unfinished) =>
  existsSync(`${path}-wal`) || stampOf(path) !== stamp;

/** Those whose new file is there still, and whose log has lost its name. */
function recordedFor(path: string): Unfinished[] {
  const folder = dirname(path);
  return readdirSync(folder)
    .filter((name) => name.startsWith(scratchPrefix(path)) && name.endsWith(recordSuffix))
    .map((name) => readRecord(join(folder, name)))
    .filter((one) => one !== null)
    .filter(({ fresh, damaged }) => existsSync(fresh) && !hasItsLog(path, damaged));
}

/** A log under the name may be another one, of who has opened the file since. */
function hasItsLog(path: string, damaged: string): boolean {
  const log = fileIdOf(`${path}-wal`);
  const old = fileIdOf(`${damaged}-wal`);
  return log !== null && (old === null || (log.dev === old.dev && log.ino === old.ino));
}

function readRecord(file: string): Unfinished | null {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8')) as Unfinished;
    // The folder may have been moved, by a restore say.
    const here = (path: string) => join(dirname(file), basename(path));
    return { ...record, fresh: here(record.fresh), damaged: here(record.damaged) };
  } catch {
    return null; // cut off: the log has its name still
  }
}

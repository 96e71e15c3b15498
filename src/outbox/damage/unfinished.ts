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
import { bytesOf, freeName, stampOf, syncFolder, writeWhole } from './copies.ts';

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
 * still. When somebody has written to the file since, the new one cannot take its place any more:
 * it is set aside beside the damaged one.
 */
export function findUnfinished(path: string): Unfinished | null {
  if (bytesOf(`${path}-wal`) !== null) return null;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(scratchPrefix(path)) || !name.endsWith(recordSuffix)) continue;
    const unfinished = readRecord(join(dirname(path), name));
    if (unfinished === null || !existsSync(unfinished.fresh)) continue;
    if (stampOf(path) === unfinished.stamp) return unfinished;
    renameSync(unfinished.fresh, freeName(`${unfinished.damaged}-repaired`));
    syncFolder(dirname(path));
  }
  return null;
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

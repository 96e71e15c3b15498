/**
 * Puts the new file in the place of the damaged one. Each step is durable before the next:
 *
 * 1. the old file and its log get second names, `<file>.damaged-<time>`: nothing changes;
 * 2. a copy with the log applied takes the file's name: the log beside it is now a repetition;
 * 3. a record says that what follows is to be finished ({@link Unfinished});
 * 4. the log's own name goes: the content is still the old one;
 * 5. the new file takes the name.
 *
 * A kill -9 between any two leaves the old content or the new one under the name, and never a file
 * beside a log of another one, which SQLite would apply to it; after 3 the next repair finishes it,
 * as of a damaged log not all is in the old content. Without 2 the log would have to go
 * either before the old file, which loses its last commits, or after the new one is there.
 *
 * Whoever began to open the file meanwhile waits for its lock. Let in on what was replaced, it
 * would take the new file's log for its own and write into it: so it must give up before the lock
 * goes.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { FileInUseError } from '../../core/errors.ts';
import type { RepairFacts } from '../integrity.ts';
import type { DatabaseConstructor } from '../sqlite/database.ts';
import { isDamage } from '../sqlite/failures.ts';
import { type FileId, fileIdOf } from '../sqlite/look.ts';
import { type Hold, holdCopy, waitForOpeners } from './alone.ts';
import { addName, stampOf, syncFolder } from './copies.ts';
import { finish } from './fresh-file.ts';
import { writeRecord } from './unfinished.ts';

/** What a kill can come between. */
export type RepairStep =
  | 'copied'
  | 'salvaged'
  | 'durable'
  | 'namedAside'
  | 'logNamedAside'
  | 'oldInOneFile'
  | 'recorded'
  | 'logGone'
  | 'replaced';

export interface Replacement {
  readonly Constructor: DatabaseConstructor;
  readonly path: string;
  /** Durable, with the rights of the old one. */
  readonly fresh: string;
  /** The old file with its log applied; `null` when there is nothing in its log. */
  readonly whole: string | null;
  /** Name that the old one gets; its log's is the same with `-wal`. */
  readonly damaged: string;
  /** Name of the record. */
  readonly record: string;
  readonly facts: RepairFacts;
  /** On the old file; released here. */
  readonly hold: Hold;
  readonly onStep: (step: RepairStep) => void;
  /** How long who waits to open the file may take to give up, in ms. */
  readonly openersMs: number;
}

/** @throws FILE_IN_USE before anything is changed, or after all is; its message says which */
export function replace(parts: Replacement): void {
  const { path, fresh, damaged, record, facts, whole, hold, onStep } = parts;
  const replaced = idsOf([path]);
  refuseOpeners(parts);
  nameAside(parts);
  const holdOfCopy = whole === null ? null : holdIfWhole(parts, whole);
  try {
    if (whole !== null) putWhole(parts, whole);
    writeRecord(record, { fresh, damaged, facts, stamp: stampOf(path) });
    onStep('recorded');
    putInPlace(parts, replaced);
  } finally {
    holdOfCopy?.release();
    hold.release();
  }
}

type Placing = Pick<Replacement, 'path' | 'fresh' | 'damaged' | 'onStep' | 'openersMs'>;

/**
 * The last steps; again after a kill amid them.
 * @param replaced files that had the name before; the locks on them are held
 */
export function putInPlace(parts: Placing, replaced: readonly FileId[]): void {
  const { path, fresh, onStep } = parts;
  const all = [...replaced, ...idsOf([path])];
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  syncFolder(dirname(path));
  onStep('logGone');
  renameSync(fresh, path);
  syncFolder(dirname(path));
  onStep('replaced');
  outlastOpeners(parts, all);
}

const idsOf = (files: readonly (string | null)[]) =>
  files.map((file) => (file === null ? null : fileIdOf(file))).filter((id) => id !== null);

/** While it costs nothing yet. */
function refuseOpeners({ path, openersMs }: Replacement): void {
  const openers = waitForOpeners(idsOf([path]), openersMs);
  if (openers.length === 0) return;
  throw new FileInUseError(`${path} is not changed: ${processes(openers)} began to open it`);
}

function nameAside({ path, damaged, onStep }: Replacement): void {
  const give = (suffix: string) => {
    if (existsSync(path + suffix)) addName(path + suffix, damaged + suffix);
  };
  give('');
  onStep('namedAside');
  for (const suffix of ['-wal', '-shm']) give(suffix);
  syncFolder(dirname(path));
  onStep('logNamedAside');
}

function putWhole({ path, onStep }: Replacement, whole: string): void {
  renameSync(whole, path);
  syncFolder(dirname(path));
  onStep('oldInOneFile');
}

/** Who opens the file while it is the copy must not get it, either. */
function holdIfWhole({ Constructor, path }: Replacement, whole: string): Hold {
  finish(whole, path);
  try {
    return holdCopy(Constructor, whole);
  } catch (error) {
    if (isDamage(error)) return { release: () => {} };
    throw error;
  }
}

function outlastOpeners({ path, damaged, openersMs }: Placing, replaced: readonly FileId[]): void {
  const openers = waitForOpeners(replaced, openersMs);
  if (openers.length === 0) return;
  const done = `${path} is repaired, and what was damaged is ${damaged}`;
  const but = `${processes(openers)} began to open the damaged one, and may spoil the new one`;
  throw new FileInUseError(`${done}; but ${but}: end them first of all`);
}

const processes = (pids: readonly number[]) =>
  pids.length === 1 ? `process ${pids[0]}` : `processes ${pids.join(', ')}`;

/** What a run of the fault suite has done so far, kept in a file so that it can be gone on with. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SuiteResult } from '../suites.ts';
import type { FaultOptions } from './options.ts';
import type { Tree } from './tree.ts';

export interface FaultRun extends Tree {
  /** The Node and the images that it is run with. */
  readonly parts: string;
  readonly form: 'full' | 'short';
  readonly seed: number;
  /** Its containers have it as a label. */
  readonly session: string;
  /** The process that works on it; `null`: it has come to its end. */
  readonly pid: number | null;
  /** By test file, what became of it. */
  readonly done: Readonly<Record<string, SuiteResult>>;
}

/** `null`: nothing that could be gone on with. */
export function readRun(path: string): FaultRun | null {
  try {
    const run = JSON.parse(readFileSync(path, 'utf8')) as FaultRun;
    return typeof run.parts === 'string' ? run : null; // or of an older version of this file
  } catch {
    return null; // none yet, or cut off: begun anew
  }
}

export function writeRun(path: string, run: FaultRun): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(run, null, 2));
  renameSync(`${path}.new`, path);
}

/** Passed files need not run again; failed ones do. */
export function isDone({ done }: FaultRun, file: string): boolean {
  return done[file] !== undefined && done[file].failed === 0;
}

/** So that nobody removes the containers of one that is under way. */
export function isUnderWay({ pid }: FaultRun): boolean {
  if (pid === null || pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Without the files, which are asked for though all of them have passed. */
export function without(run: FaultRun, files: readonly string[]): FaultRun {
  const left = Object.entries(run.done).filter(([file]) => !files.includes(file));
  return { ...run, done: Object.fromEntries(left) };
}

export type Wanted = Tree &
  Pick<FaultRun, 'parts'> &
  Pick<FaultOptions, 'form' | 'seed' | 'resume'>;
export type Beginning =
  | { readonly kind: 'resume'; readonly run: FaultRun }
  | { readonly kind: 'anew'; readonly why: string | null }
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Whether an earlier run is gone on with. Pure.
 * @param filesOf the test files of a form
 */
export function howToBegin(
  earlier: FaultRun | null,
  wanted: Wanted,
  filesOf: (form: FaultRun['form']) => readonly string[],
): Beginning {
  if (earlier === null || !wanted.resume) return { kind: 'anew', why: null };
  const files = filesOf(earlier.form);
  const done = files.filter((file) => isDone(earlier, file)).length;
  const { form, seed } = earlier;
  const there = `--form ${form} --seed ${seed}, ${done} of ${files.length} files done`;
  const other = whatDiffers(earlier, wanted);
  if (other !== null)
    return { kind: 'anew', why: `the earlier run (${there}) is of ${other}: begun anew` };
  if (done === files.length)
    return { kind: 'anew', why: `the earlier run (${there}) was complete: begun anew` };
  const isSame = form === wanted.form && (wanted.seed === null || wanted.seed === seed);
  if (isSame) return { kind: 'resume', run: earlier };
  const nothingToLose = Object.keys(earlier.done).length === 0;
  if (nothingToLose) return { kind: 'anew', why: null };
  const ways = `--form ${form} --seed ${seed} goes on with it, --again begins anew without it`;
  return { kind: 'refused', why: `a run of this commit is not finished (${there}): ${ways}` };
}

function whatDiffers(earlier: FaultRun, wanted: Wanted): string | null {
  if (earlier.commit !== wanted.commit) return 'another commit';
  if (earlier.changes !== wanted.changes) return 'other uncommitted changes';
  return earlier.parts === wanted.parts ? null : 'another Node or other images';
}

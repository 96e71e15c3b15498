/** What a run of the fault suite has done so far, kept in a file so that it can be gone on with. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SuiteResult } from '../suites.ts';

export interface FaultRun {
  /** Of which the results are; another one begins anew. */
  readonly commit: string;
  readonly form: 'full' | 'short';
  readonly seed: number;
  /** By test file, what became of it. */
  readonly done: Readonly<Record<string, SuiteResult>>;
}

/** `null`: nothing that could be gone on with. */
export function readRun(path: string, { commit, form }: Pick<FaultRun, 'commit' | 'form'>) {
  try {
    const run = JSON.parse(readFileSync(path, 'utf8')) as FaultRun;
    return run.commit === commit && run.form === form ? run : null;
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

/**
 * `npm run test:fault`: the fault suite in full, file by file, resumable, and its figures.
 */
import { execFileSync } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../command.ts';
import { leftovers, removeLeftovers } from '../leftovers.ts';
import { runTests } from '../suites.ts';
import { summarise } from '../summary.ts';
import { type FaultOptions, helpText, parseFaultOptions } from './options.ts';
import { type FaultRun, isDone, readRun, writeRun } from './progress.ts';
import { parseFigures, toMarkdown } from './tables.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = join(root, '.fault');
const stateFile = join(folder, 'run.json');

async function run(options: FaultOptions): Promise<number> {
  const session = randomUUID();
  process.env['OUTBOX_RELAY_TEST_SESSION'] = session;
  let state = beginOrResume(options);
  const files = filesOf(options);
  for (const [index, file] of files.entries()) {
    const place = `${index + 1} of ${files.length}: ${file}`;
    process.stdout.write(`\n── ${place}${isDone(state, file) ? ' (done before)' : ''}\n`);
    if (!isDone(state, file)) state = await runFile(state, file);
  }
  const left = await leftovers(session);
  await removeLeftovers(left);
  return tell(state, { left, jsonFile: options.jsonFile });
}

function beginOrResume({ form, seed, resume }: FaultOptions): FaultRun {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const earlier = resume ? readRun(stateFile, { commit, form }) : null;
  if (earlier !== null && (seed === null || seed === earlier.seed)) {
    process.stdout.write(`going on with seed ${earlier.seed}\n`);
    return earlier;
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return { commit, form, seed: seed ?? randomInt(2 ** 31), done: {} };
}

function filesOf({ files, form }: FaultOptions): string[] {
  const pattern = form === 'full' ? 'test/fault/**/*.test.ts' : 'test/fault/*.test.ts';
  const all = globSync(pattern, { cwd: root }).sort();
  return all.filter((file) => files.length === 0 || files.some((part) => file.includes(part)));
}

async function runFile(run: FaultRun, file: string): Promise<FaultRun> {
  const startMs = performance.now();
  const figuresFile = figuresOf(file);
  rmSync(figuresFile, { force: true }); // of a try that failed
  const env = { FAULT_FORM: run.form, FAULT_SEED: String(run.seed), FAULT_REPORT: figuresFile };
  const counts = await runTests(['fault'], { files: [file], env });
  const seconds = (performance.now() - startMs) / 1_000;
  const done = { ...run.done, [file]: { name: file, seconds, ...counts } };
  const next = { ...run, done };
  writeRun(stateFile, next);
  return next;
}

function tell(
  run: FaultRun,
  { left, jsonFile }: { readonly left: readonly string[]; readonly jsonFile: string | null },
): number {
  const figures = Object.keys(run.done).flatMap((file) => parseFigures(readFigures(file)));
  const { lines, ok } = summarise(Object.values(run.done), left, false);
  process.stdout.write(`\n${toMarkdown(figures).join('\n')}\n${lines.join('\n')}\n`);
  process.stdout.write(`seed ${run.seed}: npm run test:fault -- --again --seed ${run.seed}\n`);
  if (jsonFile !== null) writeFileSync(jsonFile, JSON.stringify({ ...run, figures }, null, 2));
  return ok ? 0 : 1;
}

const figuresOf = (file: string) => join(folder, `${basename(file, '.test.ts')}.jsonl`);

function readFigures(file: string): string {
  try {
    return readFileSync(figuresOf(file), 'utf8');
  } catch {
    return ''; // it has none
  }
}

await runCommand({ helpText, parse: parseFaultOptions, run });

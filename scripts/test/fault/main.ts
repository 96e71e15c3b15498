/**
 * `npm run test:fault`: the fault suite in full, file by file, resumable, and its figures.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../command.ts';
import { chooseImages } from '../../demo/services.ts';
import { leftovers, removeLeftovers } from '../leftovers.ts';
import { runTests } from '../suites.ts';
import { summarise } from '../summary.ts';
import { chooseFiles, type FaultOptions, helpText, parseFaultOptions } from './options.ts';
import {
  type Beginning,
  type FaultRun,
  howToBegin,
  isDone,
  isUnderWay,
  readRun,
  without,
  writeRun,
} from './progress.ts';
import { parseFigures, toMarkdown } from './tables.ts';
import { readTree, type Tree } from './tree.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = join(root, '.fault');
const stateFile = join(folder, 'run.json');

async function run(options: FaultOptions): Promise<number> {
  const files = chooseFiles(filesOf(options.form), options.files);
  if (typeof files === 'string') return refuse(files);
  const earlier = readRun(stateFile);
  if (earlier !== null && isUnderWay(earlier)) {
    return refuse(`process ${earlier.pid} runs it here; if that is another one: rm ${stateFile}`);
  }
  const tested = { ...readTree(root), parts: partsNow() };
  const beginning = howToBegin(earlier, { ...tested, ...options }, filesOf);
  if (beginning.kind === 'refused') return refuse(beginning.why);
  if (earlier !== null) await removeEarlier(earlier);
  let state = begin(beginning, tested, options);
  if (files.every((file) => isDone(state, file))) state = without(state, files);
  writeRun(stateFile, state); // before its first container
  process.env['OUTBOX_RELAY_TEST_SESSION'] = state.session;
  for (const [index, file] of files.entries()) {
    const place = `${index + 1} of ${files.length}: ${file}`;
    process.stdout.write(`\n── ${place}${isDone(state, file) ? ' (done before)' : ''}\n`);
    if (!isDone(state, file)) state = await runFile(state, file);
  }
  const left = await leftovers(state.session);
  await removeLeftovers(left);
  writeRun(stateFile, { ...state, pid: null });
  return tell(state, { left, jsonFile: options.jsonFile });
}

function partsNow(): string {
  const { kafka, redis } = chooseImages();
  return `Node ${process.version}, ${kafka}, ${redis}`;
}

function refuse(why: string): number {
  process.stderr.write(`${why}\n`);
  return 2;
}

/** What an interrupted run has left in Docker. */
async function removeEarlier({ session }: FaultRun): Promise<void> {
  const left = await leftovers(session);
  if (left.length > 0) process.stdout.write(`removed, of the earlier run: ${left.join(', ')}\n`);
  await removeLeftovers(left);
}

function begin(
  beginning: Exclude<Beginning, { kind: 'refused' }>,
  tested: Tree & Pick<FaultRun, 'parts'>,
  { form, seed }: FaultOptions,
): FaultRun {
  if (beginning.kind === 'resume') {
    process.stdout.write(`going on with seed ${beginning.run.seed}\n`);
    return { ...beginning.run, pid: process.pid };
  }
  if (beginning.why !== null) process.stdout.write(`${beginning.why}\n`);
  rmSync(folder, { recursive: true, force: true });
  const { pid } = process;
  const session = randomUUID();
  return { ...tested, form, seed: seed ?? randomInt(2 ** 31), session, pid, done: {} };
}

function filesOf(form: FaultRun['form']): string[] {
  const pattern = form === 'full' ? 'test/fault/**/*.test.ts' : 'test/fault/*.test.ts';
  return globSync(pattern, { cwd: root }).sort();
}

async function runFile(run: FaultRun, file: string): Promise<FaultRun> {
  const startMs = performance.now();
  const figuresFile = figuresOf(file);
  rmSync(figuresFile, { force: true }); // of a try that failed
  const env = { FAULT_FORM: run.form, FAULT_SEED: String(run.seed), FAULT_REPORT: figuresFile };
  const result = await runTests(['fault'], { files: [file], env });
  const seconds = (performance.now() - startMs) / 1_000;
  const done = { ...run.done, [file]: { name: file, seconds, ...result } };
  const next = { ...run, done };
  writeRun(stateFile, next);
  return next;
}

function tell(
  run: FaultRun,
  { left, jsonFile }: { readonly left: readonly string[]; readonly jsonFile: string | null },
): number {
  const figures = Object.keys(run.done).flatMap((file) => parseFigures(readFigures(file)));
  const { lines, ok } = summarise(Object.values(run.done), left, process.env['CI'] === 'true');
  process.stdout.write(`\n${toMarkdown(figures).join('\n')}\n${lines.join('\n')}\n`);
  const again = `--again --form ${run.form} --seed ${run.seed}`;
  process.stdout.write(`seed ${run.seed}: npm run test:fault -- ${again}\n`);
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

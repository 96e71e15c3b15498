/** The suites of `npm test` and how each is run and counted. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = (...parts: string[]) => join(root, 'node_modules', ...parts);

export interface Suite {
  readonly name: string;
  /** A command that passes or fails as one, or a vitest project. */
  readonly command: readonly string[] | null;
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface TestResult extends Counts {
  /** A line each: file, name and the first line of what was wrong. */
  readonly failures: readonly string[];
}

export interface SuiteResult extends TestResult {
  readonly name: string;
  readonly seconds: number;
}

export const suites: readonly Suite[] = [
  { name: 'types', command: [bin('typescript', 'bin', 'tsc'), '--noEmit'] },
  { name: 'lint', command: [bin('@biomejs', 'biome', 'bin', 'biome'), 'check', '.'] },
  { name: 'tidy', command: null },
  { name: 'unit', command: null },
  { name: 'contract', command: null },
  { name: 'integration', command: null },
  { name: 'fault', command: null },
];

export async function runSuite(suite: Suite): Promise<SuiteResult> {
  const startMs = performance.now();
  const result =
    suite.command === null ? await runTests([suite.name]) : await command(suite.command);
  return { name: suite.name, seconds: (performance.now() - startMs) / 1_000, ...result };
}

async function command(args: readonly string[]): Promise<TestResult> {
  const ok = (await start(args)) === 0;
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, failures: [] };
}

export interface TestRun {
  /** Parts of test files' paths; empty for all. */
  readonly files?: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs vitest projects, or some of their files, and counts. */
export async function runTests(
  projects: readonly string[],
  run: TestRun = {},
): Promise<TestResult> {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-test-'));
  try {
    const file = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const chosen = projects.flatMap((project) => ['--project', project]);
    const args = [bin('vitest', 'vitest.mjs'), 'run', ...chosen, ...reporters];
    const code = await start([...args, ...(run.files ?? [])], run.env);
    return resultOf(readReport(file), code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The part that is read of vitest's JSON report. */
export interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numTotalTests: number;
  readonly testResults: readonly {
    /** The file's path. */
    readonly name: string;
    readonly status: string;
    /** What was wrong outside its tests. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

function readReport(file: string): Report | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return null; // it crashed before it could write: counted as a failure below
  }
}

/** A suite that ends with an error counts as failed even if every test of it passed. Pure. */
export function resultOf(report: Report | null, exitCode: number): TestResult {
  if (report === null) return { passed: 0, failed: 1, skipped: 0, failures: ['no report'] };
  const { numPassedTests: passed, numFailedTests: failed } = report;
  const skipped = report.numPendingTests + report.numTodoTests;
  const crashed = (exitCode !== 0 && failed === 0) || report.numTotalTests === 0;
  const failures = failuresOf(report);
  if (crashed && failures.length === 0) failures.push(`no failed test, exit code ${exitCode}`);
  return { passed, failed: crashed ? failed + 1 : failed, skipped, failures };
}

function failuresOf({ testResults }: Report): string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(root, name);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    const outside = firstLine(message) || 'a hook has failed';
    if (failed.length === 0 && status === 'failed') return [`${file}: ${outside}`];
    return failed.map(({ fullName, failureMessages }) => {
      return `${file}: ${fullName.trim()}: ${firstLine(failureMessages?.[0])}`;
    });
  });
}

const firstLine = (text = '') => text.split('\n', 1)[0] ?? '';

function start(args: readonly string[], more: TestRun['env'] = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...more };
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/**
 * The demo, as a newcomer runs it, but short: it must pass, report every number, and leave nothing
 * behind, also when it is interrupted.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { DemoReport } from '../../scripts/demo/judge.ts';

const folder = mkdtempSync(join(tmpdir(), 'demo-test-'));
const main = fileURLToPath(new URL('../../scripts/demo/main.ts', import.meta.url));
const runMaxMs = 150_000;

let running: ChildProcess | null = null;

afterEach(async () => {
  if (running === null || running.exitCode !== null || running.signalCode !== null) return;
  const gone = once(running, 'exit');
  running.kill('SIGTERM');
  await gone;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts the demo with its output collected; `ended` gives the exit code. */
function startDemo(...args: string[]) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running = child;
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  /** Resolves when stdout says so; rejects when the demo ends first. */
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (output.stdout.includes(text)) resolve();
      };
      child.stdout.on('data', look);
      ended.then(() => reject(new Error(`ended without "${text}": ${output.stderr}`)), reject);
    });
  return { child, output, ended, says };
}

/** Containers and processes that carry the number of this demo's main process. */
function leftovers(pid: number | undefined): string[] {
  const filter = ['--filter', `name=outbox-relay-demo-${pid}-`];
  const format = ['--format', '{{.Names}}'];
  const containers = execFileSync('docker', ['ps', '--all', ...filter, ...format], {
    encoding: 'utf8',
  });
  const processes = execFileSync('ps', ['-e', '-o', 'pid=,args='], { encoding: 'utf8' });
  return [...containers.split('\n'), ...processes.split('\n')].filter(
    (line) =>
      line.startsWith('outbox-relay-demo-') || new RegExp(`\\.demo/[^ ]*-${pid}/`).test(line),
  );
}

describe('the demo', () => {
  it('loses nothing and reorders nothing while everything is killed', {
    timeout: runMaxMs,
  }, async () => {
    const reportFile = join(folder, 'report.json');
    // So many that a backlog of some seconds is not drained before Redis can be flushed.
    const args = ['--events', '24000', '--outage', '6', '--json', '--report', reportFile];
    const { child, output, ended } = startDemo(...args);
    const code = await ended;
    expect(output.stderr).toContain('PASSED');
    expect(code).toBe(0);
    const report = JSON.parse(readFileSync(reportFile, 'utf8')) as DemoReport;
    expect(JSON.parse(output.stdout)).toEqual(report);
    expect(report).toMatchObject({
      accepted: 24_000,
      delivered: 24_000,
      lost: 0,
      reordered: 0,
      mismatched: 0,
      unissued: 0,
      unknown: 0,
      faults: [],
    });
    expect(report.acceptedDuringOutage).toBeGreaterThan(0);
    expect(report.roundsUsedUp).toBeGreaterThan(0);
    expect(report.deliveredByJob).toBeGreaterThan(0);
    expect(report.peakPending).toBeGreaterThan(0);
    expect(report.duplicated).toBeLessThanOrEqual(report.duplicateBound);
    // A fault in waking would wait for a delay or a lease; a busy machine for a few seconds.
    expect(report.firstDeliverySeconds).toBeLessThan(20);
    expect(report.drainSeconds).not.toBeNull();
    expect(leftovers(child.pid)).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted', { timeout: runMaxMs }, async () => {
    const { child, output, ended, says } = startDemo('--events', '4000', '--outage', '6');
    await says('publishing begins');
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(output.stderr).toContain('interrupted by SIGINT');
    expect(leftovers(child.pid)).toEqual([]);
  });

  it('says what is wrong with its options, and starts nothing', async () => {
    const reportFile = join(folder, 'none.json');
    const { output, ended } = startDemo('--events', 'lots', '--report', reportFile);
    expect(await ended).toBe(2);
    expect(output.stderr).toContain('--events must be a whole number');
    expect(existsSync(reportFile)).toBe(false);
  });
});

/** A disk that is really full: a small tmpfs, mounted for one process alone. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { root } from '../support/child.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-full-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Facts {
  readonly accepted: number;
  readonly code: string;
  readonly delivered: number;
  readonly reserveAtStart: boolean;
  readonly reserveWhenFull: boolean;
  readonly freeBlocks: number;
  readonly told: readonly string[];
}

it('refuses at the door, and delivers and deletes what was accepted', { timeout: 120_000 }, () => {
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const child = `${root}test/support/full-disk-child.ts`;
  const script = 'mount -t tmpfs -o size=96m none "$0" && exec "$@"';
  const args = ['--mount', ...asRoot, 'sh', '-c', script, folder, process.execPath, child, folder];
  const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const facts = JSON.parse(stdout) as Facts;
  expect(facts).toMatchObject({ code: 'OUTBOX_FULL', freeBlocks: 0, reserveAtStart: true });
  expect(facts.accepted).toBeGreaterThan(500);
  expect(facts.reserveWhenFull).toBe(false); // it was needed
  expect(facts.delivered).toBe(facts.accepted + 1);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseFaultOptions } from '../../../scripts/test/fault/options.ts';
import { type FaultRun, isDone, readRun, writeRun } from '../../../scripts/test/fault/progress.ts';
import { parseFigures, toMarkdown } from '../../../scripts/test/fault/tables.ts';

describe('the options of test:fault', () => {
  it('ask for all of it, and go on where it was stopped', () => {
    const wanted = { form: 'full', seed: null, resume: true, jsonFile: null, files: [] };
    expect(parseFaultOptions([])).toMatchObject(wanted);
    const given = ['--form', 'short', '--seed', '7', '--again', '--json', 'f', 'kills'];
    const chosen = { form: 'short', seed: 7, resume: false, jsonFile: 'f', files: ['kills'] };
    expect(parseFaultOptions(given)).toMatchObject(chosen);
  });

  it.each([['--form', 'long'], ['--seed', '-1'], ['--seed', '1.5'], ['--seed', 'x'], ['--wrong']])(
    'refuse %s %s',
    (...given) => {
      expect(parseFaultOptions(given)).toContain(given[0]);
    },
  );
});

describe('a run of test:fault', () => {
  const counts = { name: 'a', seconds: 1, passed: 1, failed: 0, skipped: 0 };
  const run: FaultRun = { commit: 'c1', form: 'full', seed: 5, done: { a: counts } };

  it('is gone on with at the same commit and form, and only there', () => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-fault-'));
    const path = join(folder, 'run.json');
    try {
      expect(readRun(path, run)).toBe(null);
      writeRun(path, run);
      expect(readRun(path, { commit: 'c1', form: 'full' })).toEqual(run);
      expect(readRun(path, { commit: 'c2', form: 'full' })).toBe(null);
      expect(readRun(path, { commit: 'c1', form: 'short' })).toBe(null);
      writeFileSync(path, '{"commit":');
      expect(readRun(path, run)).toBe(null);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('runs failed files again, and passed ones not', () => {
    const done = { a: counts, b: { ...counts, failed: 1 } };
    expect(['a', 'b', 'c'].map((file) => isDone({ ...run, done }, file))).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('shows its figures as a table for each kind', () => {
    const text = '{"table":"kills","lost":0,"steps":{"sent":2}}\n{"table":"kills","lost":1}\n';
    expect(toMarkdown(parseFigures(text))).toEqual([
      'kills:',
      '',
      '| lost | steps sent |',
      '| --- | --- |',
      '| 0 | 2 |',
      '| 1 |  |',
      '',
    ]);
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { chooseFiles, parseFaultOptions } from '../../../scripts/test/fault/options.ts';
import {
  type FaultRun,
  howToBegin,
  isDone,
  isUnderWay,
  readRun,
  type Wanted,
  without,
  writeRun,
} from '../../../scripts/test/fault/progress.ts';
import { parseFigures, toMarkdown } from '../../../scripts/test/fault/tables.ts';
import { readTree } from '../../../scripts/test/fault/tree.ts';

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

describe('the files of test:fault', () => {
  const all = ['test/fault/kills.test.ts', 'test/fault/outage.test.ts'];

  it('are all of them, or those that are named', () => {
    expect(chooseFiles(all, [])).toEqual(all);
    expect(chooseFiles(all, ['outage'])).toEqual([all[1]]);
  });

  it('are refused when one of the names is nobody’s', () => {
    const message = chooseFiles(all, ['kills', 'kilss']);
    expect(message).toMatch(/^no test file has kilss in it/);
    expect(message).toContain(all[0]);
  });

  it('end the command with 2 then, before anything is run or lost', () => {
    const main = fileURLToPath(new URL('../../../scripts/test/fault/main.ts', import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'kilss']);
    expect({ status, out: String(stdout) }).toEqual({ status: 2, out: '' });
    expect(String(stderr)).toContain('no test file has kilss in it');
  });
});

describe('what test:fault tests', () => {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-fault-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, stdio: 'pipe' });
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };

  it('is a commit and what is not committed, documents and figures apart', () => {
    for (const path of ['src/a.ts', 'docs/a.md']) write(path, '1');
    git('init', '--quiet');
    git('add', '.');
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@localhost'];
    git(...who, 'commit', '--quiet', '--no-gpg-sign', '-m', 'one');
    const clean = readTree(folder);
    expect(clean).toEqual({ commit: expect.stringMatching(/^[0-9a-f]{40}$/), changes: null });
    write('docs/a.md', '2');
    write('figures.json', '{}');
    expect(readTree(folder)).toEqual(clean);
    const seen = new Set<string | null>();
    for (const text of ['2', '3']) {
      write('src/a.ts', text);
      seen.add(readTree(folder).changes);
      write('test/b.ts', text);
      seen.add(readTree(folder).changes);
    }
    expect(seen.size).toBe(4);
    git('add', '.'); // not committed yet
    expect(readTree(folder).changes).not.toBe(null);
  });
});

describe('a run of test:fault', () => {
  const counts = { name: 'a', seconds: 1, passed: 1, failed: 0, skipped: 0, failures: [] };
  const tree = { commit: 'c1', changes: null };
  const parts = 'Node v24, kafka:1, redis:1';
  const kept = { form: 'full', seed: 5, session: 's1', parts, pid: null } as const;
  const run: FaultRun = { ...tree, ...kept, done: { a: counts } };
  const begin = (wanted: Partial<Wanted> = {}, earlier: FaultRun | null = run) => {
    const given: Wanted = { ...tree, parts, form: 'full', seed: null, resume: true, ...wanted };
    return howToBegin(earlier, given, () => ['a', 'b']);
  };

  it('is kept in a file; one that cannot be read is none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-fault-'));
    const path = join(folder, 'run.json');
    try {
      expect(readRun(path)).toBe(null);
      writeRun(path, run);
      expect(readRun(path)).toEqual(run);
      writeFileSync(path, '{"commit":');
      expect(readRun(path)).toBe(null);
      // Of an older version.
      writeFileSync(path, '{"commit":"c1","form":"full","seed":5,"done":{}}');
      expect(readRun(path)).toBe(null);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is gone on with when commit, changes, form and seed are the same', () => {
    expect(begin()).toEqual({ kind: 'resume', run });
    expect(begin({ seed: 5 })).toEqual({ kind: 'resume', run });
  });

  it('is begun anew when it is asked to, or when there is none', () => {
    expect(begin({ resume: false, seed: 6 })).toEqual({ kind: 'anew', why: null });
    expect(begin({}, null)).toEqual({ kind: 'anew', why: null });
  });

  it.each([
    [{ commit: 'c2' }, 'another commit'],
    [{ changes: 'h1' }, 'other uncommitted changes'],
    [{ parts: 'Node v24, kafka:2, redis:1' }, 'another Node or other images'],
  ])('is begun anew for %j, and says what it gives up', (wanted, other) => {
    const why = `the earlier run (--form full --seed 5, 1 of 2 files done) is of ${other}`;
    expect(begin(wanted)).toEqual({ kind: 'anew', why: `${why}: begun anew` });
  });

  it.each<Partial<Wanted>>([{ form: 'short' }, { seed: 6 }])(
    'is refused for %j while there is one that is not finished',
    (wanted) => {
      const { kind, why } = begin(wanted) as { kind: string; why: string };
      expect(kind).toBe('refused');
      expect(why).toContain('--form full --seed 5, 1 of 2 files done');
      expect(why).toContain('--again');
      const failed = { ...run, done: { a: counts, b: { ...counts, failed: 1 } } };
      expect(begin(wanted, failed).kind).toBe('refused');
    },
  );

  it('gives way to another one when it is complete, or has nothing yet', () => {
    const complete = { ...run, done: { a: counts, b: counts } };
    const anew = { kind: 'anew', why: expect.stringContaining('complete') };
    // Also to the same: nobody asks for what he is to be told from memory.
    for (const wanted of [{ seed: 6 }, { seed: 5 }, {}]) {
      expect(begin(wanted, complete)).toEqual(anew);
    }
    expect(begin({ seed: 6 }, { ...run, done: {} })).toEqual({ kind: 'anew', why: null });
  });

  it('is under way as long as its process lives', () => {
    expect(isUnderWay({ ...run, pid: process.ppid })).toBe(true);
    const { pid } = spawnSync(process.execPath, ['--version']);
    expect([null, pid, process.pid].map((one) => isUnderWay({ ...run, pid: one }))).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('forgets files that are asked for when all of them have passed', () => {
    const done = { a: counts, b: counts };
    expect(without({ ...run, done }, ['b'])).toEqual({ ...run, done: { a: counts } });
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
    const [first, second] = ['"lost":0,"steps":{"sent":2},"story":["a"]', '"lost":1'];
    const text = `{"table":"kills",${first}}\n{"table":"kills",${second}}\n`;
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

/** Budgets of files and functions. The linter keeps most of them: here it is shown that it does. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesOf, root, textOf } from './project.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-tidy-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const config = JSON.parse(textOf('biome.json')) as Record<string, unknown>;
  writeFileSync(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: {} }));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** What the project's own linter says about these files. */
function lint(files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const options = { cwd: folder, encoding: 'utf8' } as const;
  const { stdout, stderr } = spawnSync(process.execPath, [biome, 'lint', 'src', 'test'], options);
  return stdout + stderr;
}

const lines = (count: number) => 'void 0;\n'.repeat(count);
const fine = { 'src/fine.ts': 'export const fine = 1;\n', 'test/fine.ts': 'export {};\n' };

describe('the linter', () => {
  it('has nothing against a file within the budgets', () => {
    const within = `export function within(): void {\n${lines(50)}}\n`;
    expect(lint({ ...fine, 'src/within.ts': within })).toMatch(/No fixes applied/);
  });

  it.each([
    ['a long file', 'noExcessiveLinesPerFile', { 'src/long.ts': lines(301) }],
    ['a long test file', 'noExcessiveLinesPerFile', { 'test/long.ts': lines(401) }],
    [
      'a long function',
      'noExcessiveLinesPerFunction',
      { 'src/long.ts': `export function long(): void {\n${lines(61)}}\n` },
    ],
    [
      'four parameters',
      'useMaxParams',
      { 'src/many.ts': 'export const many = (a: 1, b: 1, c: 1, d: 1) => a + b + c + d;\n' },
    ],
    [
      'a cycle of types',
      'noImportCycles',
      {
        'src/a.ts': "import type { B } from './b.ts';\nexport type A = B | 1;\n",
        'src/b.ts': "import type { A } from './a.ts';\nexport type B = A[];\n",
      },
    ],
    [
      'a promise that nobody waits for',
      'noFloatingPromises',
      { 'src/lost.ts': 'export function lost(p: Promise<void>): void {\n  p.then(() => 1);\n}\n' },
    ],
  ])('refuses %s', (_, rule, files) => {
    expect(lint({ ...fine, ...files })).toContain(rule);
  });
});

describe('a line', () => {
  const tooLong = (text: string) => text.split('\n').filter((line) => [...line].length > 100);

  it('has at most 100 characters, in comments and SQL too', () => {
    const files = filesOf('{src,test,scripts,examples}/**/*.{ts,mjs,py}', 'migrations/*.sql');
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((file) => tooLong(textOf(file)).length > 0)).toEqual([]);
    expect(tooLong(`// ${'x'.repeat(98)}\n`)).toHaveLength(1);
  });
});

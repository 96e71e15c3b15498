/** Documents that name tests; each name must be a test that exists. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root, textOf } from './project.ts';

/** `path > describe > it` of every test that vitest would run. */
let tests: ReadonlySet<string>;

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-citations-'));
  try {
    const file = join(folder, 'tests.json');
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    // Files are run to collect their tests: those of a contract suite are in no file's text.
    const args = [vitest, 'list', '--no-static-parse', `--json=${file}`];
    const env = { ...process.env, FAULT_FORM: 'full' }; // with those of test/fault/full
    execFileSync(process.execPath, args, { cwd: root, env, stdio: 'pipe' });
    const list = JSON.parse(readFileSync(file, 'utf8')) as { name: string; file: string }[];
    tests = new Set(list.map(({ name, file: path }) => `${path.slice(root.length)} > ${name}`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 600_000); // every test file is loaded, on a machine that others use, too

/** Names of tests in a text: code spans that begin with a test file's path. */
const citations = (text: string) =>
  [...text.matchAll(/`(test\/[^`]+?\.test\.ts > [^`]+)`/g)].map(([, name]) => name ?? '');
const unknown = (text: string) => citations(text).filter((name) => !tests.has(name));

describe('the tests named by the documents', () => {
  it.each([
    'docs/acceptance.md',
    'docs/guarantees.md',
    'docs/rasa.md',
    'docs/reliability.md',
    'docs/security.md',
  ])('of %s exist', (document) => {
    const text = textOf(document);
    expect(citations(text).length).toBeGreaterThan(5);
    expect(unknown(text)).toEqual([]);
  });

  it('are looked for by their full name', () => {
    const [known] = tests;
    expect(unknown(`\`${known}\` and \`test/unit/none.test.ts > a test > that is not\``)).toEqual([
      'test/unit/none.test.ts > a test > that is not',
    ]);
  });

  it('are in every row of docs/acceptance.md', () => {
    const rows = textOf('docs/acceptance.md')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !/^\| (-|what )/.test(line));
    expect(rows.length).toBeGreaterThan(30);
    expect(rows.filter((row) => citations(row).length === 0)).toEqual([]);
  });
});

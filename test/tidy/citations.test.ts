/** docs/acceptance.md and docs/guarantees.md name tests; each name must be a test that exists. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root, textOf } from './project.ts';

/** `path > describe > it` of every test that vitest would run. */
let tests: ReadonlySet<string>;

beforeAll(() => {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1_024 * 1_024 } as const;
  const found = execFileSync(process.execPath, [vitest, 'list', '--json'], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const list = JSON.parse(found) as { name: string; file: string }[];
  tests = new Set(list.map(({ name, file }) => `${file.slice(root.length)} > ${name}`));
}, 60_000);

/** Names of tests in a text: code spans that begin with a test file's path. */
const citations = (text: string) =>
  [...text.matchAll(/`(test\/[^`]+?\.test\.ts > [^`]+)`/g)].map(([, name]) => name ?? '');
const unknown = (text: string) => citations(text).filter((name) => !tests.has(name));

describe('the tests named by the documents', () => {
  it.each(['docs/acceptance.md', 'docs/guarantees.md'])('of %s exist', (document) => {
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

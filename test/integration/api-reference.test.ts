/** The API reference is made without a warning: every public name is documented and reachable. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root } from '../support/child.ts';

let out: string;

beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), 'outbox-api-'));
});
afterAll(() => rmSync(out, { recursive: true }));

it('npm run docs:api documents every public name', () => {
  const script = join(root, 'scripts', 'api', 'main.mjs');
  execFileSync(process.execPath, [script, '--out', out], { stdio: 'pipe' });
  const functions = [
    'index.openOutbox',
    ...['createTestOutbox', 'checkDelivery', 'killRelayAt', 'startKafka'].map(
      (of) => `testing.${of}`,
    ),
  ];
  const pages = functions.map((name) => `functions/${name}.html`);
  expect(pages.filter((page) => !existsSync(join(out, page)))).toEqual([]);
}, 120_000);

/** The compiler of the tests of power loss: looked for by what it can compile. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { compiler } from '../../../scripts/setup/compiler.mjs';
import { onWindows } from '../../support/platform.ts';

const path = process.env['PATH'];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-compiler-'));
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true });
});

/** A `cc` that ends so whatever it is to compile, and knows its version. */
function plant(exitCode: number): void {
  const file = join(folder, 'cc');
  writeFileSync(file, `#!/bin/sh\n[ "$1" = --version ] && echo cc 1 && exit\nexit ${exitCode}\n`);
  chmodSync(file, 0o755);
  process.env['PATH'] = [folder, path].join(delimiter);
}

it.skipIf(onWindows)('is there when it compiles something with a header', async () => {
  plant(0);
  expect(await compiler.find({ platform: 'linux' })).toEqual({ note: 'cc 1' });
});

it.skipIf(onWindows)('is installed when it has no headers', async () => {
  plant(1);
  expect(await compiler.find({ platform: 'linux' })).toBeNull();
  expect(await compiler.packages()).toEqual(['gcc', 'libc6-dev']);
});

it('is not asked for elsewhere', async () => {
  expect(await compiler.find({ platform: 'darwin' })).toEqual({ note: 'not used on darwin' });
});

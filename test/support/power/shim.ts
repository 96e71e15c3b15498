/** The preloaded library, compiled by the test that needs it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../child.ts';

const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-fPIC', '-shared'];

/** @throws without a C compiler, with what to do; and with what the compiler says */
export function compileShim(folder: string): string {
  const library = join(folder, 'power-shim.so');
  const source = join(root, 'test', 'support', 'power', 'shim.c');
  const { error, status, stderr } = spawnSync('cc', [...flags, '-o', library, source], {
    encoding: 'utf8',
  });
  if (error !== undefined) {
    const hint = 'npm run setup installs one on Debian; elsewhere install gcc or clang';
    throw new Error(`the tests of power loss need a C compiler as cc: ${hint}`, { cause: error });
  }
  if (status !== 0) throw new Error(`cc ended with ${status}: ${stderr}`);
  return library;
}

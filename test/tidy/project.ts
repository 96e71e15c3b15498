/** Files of the project as text, for tests about them. */
import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Paths from the root, sorted; installed packages are nobody's files here. */
export function filesOf(...patterns: string[]): string[] {
  return globSync(patterns, { cwd: root, exclude: (path) => path.includes('node_modules') })
    .map((path) => path.replaceAll('\\', '/'))
    .sort();
}

export function textOf(path: string): string {
  return readFileSync(`${root}${path}`, 'utf8');
}

export interface Import {
  readonly from: string;
  /** A path from the root for our own files, otherwise the package's name. */
  readonly to: string;
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^'";]*?from\s*'([^']+)'|import\(\s*'([^']+)'/g;

/** Static, type and dynamic imports. */
export function importsIn(from: string, text: string): Import[] {
  return [...text.matchAll(importPattern)].map(([, stated, dynamic]) => {
    const name = stated ?? dynamic ?? '';
    if (name.startsWith('.')) return { from, to: posix.join(posix.dirname(from), name) };
    if (name.startsWith('node:')) return { from, to: name };
    return {
      from,
      to: name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    };
  });
}

/** What is tested: a commit, and what of it is not committed. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Tree {
  readonly commit: string;
  /** A hash of what differs from it; `null`: nothing. */
  readonly changes: string | null;
}

/** New files elsewhere, e.g. the figures of a run, change nothing. */
const folders = ['src', 'test', 'scripts', 'migrations'];
const maxBuffer = 1_024 ** 3;

/** Of the repository that has this folder as its root. Documents do not count. */
export function readTree(root: string): Tree {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, maxBuffer });
  const commit = git('rev-parse', 'HEAD').toString().trim();
  const diff = git('diff', 'HEAD', '--binary', '--no-ext-diff', '--', '.', ':(exclude)*.md');
  const others = git('ls-files', '--others', '--exclude-standard', '-z', '--', ...folders);
  const added = others
    .toString()
    .split('\0')
    .filter((path) => path !== '')
    .sort();
  if (diff.length === 0 && added.length === 0) return { commit, changes: null };
  const hash = createHash('sha256').update(diff);
  for (const path of added) hash.update(`\0${path}\0`).update(readFileSync(join(root, path)));
  return { commit, changes: hash.digest('hex') };
}

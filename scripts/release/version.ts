/**
 * `npm run release:version`: takes the files of .changeset into package.json and CHANGELOG.md.
 *
 * Changesets chooses the version and removes the files; the changelog is ours, because the tool
 * writes a release above the paragraph about semver and knows nothing of its table. Works in the
 * current folder and commits nothing: ended in the middle, `git restore .` is the way back.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseMigration } from '../../src/outbox/sqlite/migrate.ts';
import { addRelease, type NewRelease, readChangelog, readChangeset } from './changelog.ts';

const changesets = fileURLToPath(
  new URL('../../node_modules/@changesets/cli/bin.js', import.meta.url),
);

function main(): number {
  const [newest] = readChangelog(read('CHANGELOG.md')).releases;
  if (newest?.released === false) {
    return refuse(`${newest.version} is not released: take "(unreleased)" out of its heading`);
  }
  const files = readdirSync('.changeset').filter((name) => /(?<!^README)\.md$/.test(name));
  const notes = files
    .sort()
    .map((name) => readChangeset(read(join('.changeset', name))))
    .filter((note) => note !== null);
  if (notes.length === 0)
    return refuse('there is no change in .changeset that anybody will notice');
  const ended = spawnSync(process.execPath, [changesets, 'version'], { stdio: 'inherit' });
  if (ended.status !== 0) return refuse('changeset version has failed');
  const { version } = JSON.parse(read('package.json')) as { version: string };
  writeLockfile(version);
  writeFileSync(
    'CHANGELOG.md',
    addRelease(read('CHANGELOG.md'), { version, notes, schema: schema() }),
  );
  process.stdout.write(`${version}: look at its table in CHANGELOG.md, then commit\n`);
  return 0;
}

const read = (path: string) => readFileSync(path, 'utf8');

function refuse(reason: string): number {
  process.stderr.write(`${reason}\n`);
  return 1;
}

function writeLockfile(version: string): void {
  const lock = JSON.parse(read('package-lock.json')) as {
    version: string;
    packages: Record<string, object>;
  };
  lock.version = version;
  Object.assign(lock.packages[''] ?? {}, { version });
  writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
}

function schema(): NewRelease['schema'] {
  const files = readdirSync('migrations').filter((name) => name.endsWith('.sql'));
  const all = files.sort().map((name) => parseMigration(name, read(join('migrations', name))));
  const { version = 0, name = '' } = all.at(-1) ?? {};
  return { version, name, oldestCode: Math.max(...all.map(({ oldestCode }) => oldestCode)) };
}

process.exitCode = main();

/** A release: its version and changelog, and what must be true before it is published. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readChangelog } from '../../scripts/release/changelog.ts';
import { root } from './project.ts';

let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'outbox-release-'));
  for (const path of ['.changeset', 'migrations', 'package.json', 'package-lock.json']) {
    cpSync(join(root, path), join(copy, path), { recursive: true });
  }
  for (const name of changesets()) rmSync(join(copy, '.changeset', name));
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  write('CHANGELOG.md', changelog.replace(' (unreleased)\n', '\n'));
});
afterEach(() => rmSync(copy, { recursive: true }));

const write = (path: string, text: string) => writeFileSync(join(copy, path), text);
const text = (path: string) => readFileSync(join(copy, path), 'utf8');
const versionOf = (path: string) => (JSON.parse(text(path)) as { version: string }).version;
const changesets = () =>
  readdirSync(join(copy, '.changeset')).filter((name) => /(?<!^README)\.md$/.test(name));

function change(name: string, bump: string, summary: string): void {
  const facts = bump === '' ? '' : `"outbox-relay": ${bump}\n`;
  write(join('.changeset', `${name}.md`), `---\n${facts}---\n\n${summary}\n`);
}

describe('npm run release:version', () => {
  const run = (): SpawnSyncReturns<string> => {
    const script = join(root, 'scripts', 'release', 'version.ts');
    return spawnSync(process.execPath, [script], { cwd: copy, encoding: 'utf8' });
  };

  it('puts a release below the paragraph about semver and above the others', () => {
    const before = text('CHANGELOG.md');
    const { head, releases } = readChangelog(before);
    change('a-mend', 'patch', 'A lane no longer waits.');
    change('b-option', 'minor', 'A new option.\n\nIts default\nchanges nothing.');
    change('c-tests', '', 'Nobody will notice.');
    write('migrations/0003_more.sql', '-- oldest code: 1\nCREATE TABLE outbox_more (a);\n');
    expect(run()).toMatchObject({ status: 0, stderr: '' });
    const version = versionOf('package.json');
    expect(version).toMatch(/^\d+\.\d+\.0$/); // the greater of both bumps
    expect(version).not.toBe(releases[0]?.version);
    const parts = releases[0]?.parts;
    const section = [
      `## ${version}`,
      '',
      '- A new option.',
      '',
      '  Its default',
      '  changes nothing.',
      '- A lane no longer waits.',
      '',
      '| part | this release |',
      '| --- | --- |',
      '| schema | 3 (`migrations/0003_more.sql`), for code from schema 2 on |',
      `| table contract | ${parts?.get('table contract')} |`,
      `| Redis | ${parts?.get('Redis')} |`,
      `| promise | ${parts?.get('promise')} |`,
      '',
      '',
    ];
    expect(text('CHANGELOG.md')).toBe(`${head}${section.join('\n')}${before.slice(head.length)}`);
    expect(head).toMatch(/Versions follow semver/);
    expect(versionOf('package-lock.json')).toBe(version);
    const lock = JSON.parse(text('package-lock.json')) as { packages: { '': object } };
    expect(lock.packages['']).toHaveProperty('version', version);
    expect(changesets()).toEqual([]);
  });

  it.each([
    ['no change is noted', () => {}, /no change in \.changeset/],
    ['only such that nobody notices', () => change('a', '', 'None.'), /no change in \.changeset/],
    [
      'the newest release is not out',
      () => {
        change('a', 'patch', 'One.');
        write('CHANGELOG.md', text('CHANGELOG.md').replace(/^(## \S+)$/m, '$1 (unreleased)'));
      },
      /is not released: take/,
    ],
  ])('refuses when %s, and changes nothing', (_, prepare, reason) => {
    prepare();
    const before = [text('CHANGELOG.md'), text('package.json'), text('package-lock.json')];
    const { status, stderr } = run();
    expect(stderr).toMatch(reason);
    expect(status).toBe(1);
    expect([text('CHANGELOG.md'), text('package.json'), text('package-lock.json')]).toEqual(before);
  });
});

describe('scripts/release/publish', () => {
  /** In the copy, with a stand-in for npm that writes down how it was called. */
  function publish(env: Record<string, string>) {
    const script = join(copy, 'scripts', 'release', 'publish');
    mkdirSync(join(copy, 'scripts', 'release'), { recursive: true });
    cpSync(join(root, 'scripts', 'release', 'publish'), script);
    mkdirSync(join(copy, 'bin'));
    const npm = [
      '#!/bin/sh',
      `echo "$*" >> '${copy}/calls'`,
      `if [ "$1" = config ]; then echo "\${npm_config_registry:-https://registry.example/}"; fi`,
      `if [ "$1" = publish ] && [ -n "$npm_config_userconfig" ]; then`,
      `  cp "$npm_config_userconfig" '${copy}/userconfig'`,
      'fi',
    ];
    write('bin/npm', `${npm.join('\n')}\n`);
    chmodSync(join(copy, 'bin', 'npm'), 0o755);
    const path = [join(copy, 'bin'), process.env['PATH']].join(delimiter);
    const { status, stderr } = spawnSync('bash', [script], {
      cwd: copy,
      encoding: 'utf8',
      env: { PATH: path, GITHUB_REPOSITORY: 'me/outbox-relay', ...env },
    });
    const calls = existsSync(join(copy, 'calls')) ? text('calls').trim().split('\n') : [];
    const userconfig = existsSync(join(copy, 'userconfig')) ? text('userconfig').trim() : null;
    return { status, stderr, calls, userconfig };
  }

  const tag = () => `v${versionOf('package.json')}`;
  const published = [
    'pkg set repository.type=git repository.url=git+https://github.com/me/outbox-relay.git',
    'publish',
  ];

  it.each([
    ['another tag', { GITHUB_REF_NAME: 'v999.0.0' }, /^the tag is v999\.0\.0, the package says v/],
    ['a branch', { GITHUB_REF_NAME: 'main' }, /^the tag is main, the package says v/],
    ['no tag', {}, /^the tag is missing, the package says v/],
  ])('refuses %s', (_, env, reason) => {
    const { status, stderr, calls } = publish(env as Record<string, string>);
    expect(stderr).toMatch(reason);
    expect({ status, calls }).toEqual({ status: 1, calls: [] });
  });

  it('refuses a release that the changelog does not have', () => {
    write('CHANGELOG.md', text('CHANGELOG.md').replace(/^(## \S+)$/m, '$1 (unreleased)'));
    const { status, stderr, calls } = publish({ GITHUB_REF_NAME: tag() });
    expect(stderr).toMatch(/^CHANGELOG\.md has no released section '## \d/);
    expect({ status, calls }).toEqual({ status: 1, calls: [] });
  });

  it('publishes with nothing optional, to where npm publishes by itself', () => {
    // A workflow gives what is not there as an empty text.
    const env = { GITHUB_REF_NAME: tag(), NPM_REGISTRY: '', NODE_AUTH_TOKEN: '' };
    const { status, stderr, calls, userconfig } = publish(env);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(calls).toEqual(published);
    expect(userconfig).toBeNull();
  });

  it('publishes with a token, whose value is in no file, to the registry it is told', () => {
    const env = { GITHUB_REF_NAME: tag(), NODE_AUTH_TOKEN: 'the-secret' };
    const own = publish({ ...env, NPM_REGISTRY: 'https://packages.example/npm' });
    expect(own.stderr).toBe('');
    expect(own.calls).toEqual(['config get registry', ...published]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: npm replaces it
    expect(own.userconfig).toBe('//packages.example/npm/:_authToken=${NODE_AUTH_TOKEN}');
  });
});

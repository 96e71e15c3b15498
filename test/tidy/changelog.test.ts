/** What CHANGELOG.md must say of every release. */
import { describe, expect, it } from 'vitest';
import { partNames, type Release, readChangelog } from '../../scripts/release/changelog.ts';
import { parseMigration } from '../../src/outbox/sqlite/migrate.ts';
import { filesOf, textOf } from './project.ts';

const { head, releases } = readChangelog(textOf('CHANGELOG.md'));

/** Parts that the table of a release leaves out or leaves empty. */
const missing = ({ parts }: Release) =>
  partNames.filter((part) => (parts.get(part) ?? '').trim() === '');

describe('CHANGELOG.md', () => {
  it('begins with what semver means here', () => {
    expect(head).toMatch(/^# Changelog\n\nVersions follow semver\. /);
  });

  it('says of every release: schema, table contract, Redis names, promise', () => {
    expect(releases.length).toBeGreaterThan(0);
    const incomplete = releases.map((release) => [release.version, missing(release)]);
    expect(incomplete.filter(([, parts]) => parts?.length !== 0)).toEqual([]);
    const [release] = readChangelog(
      '# Changelog\n\n## 9.9.9\n\n| schema | 1 |\n| Redis |  |\n',
    ).releases;
    expect(missing(release as Release)).toEqual(['table contract', 'Redis', 'promise']);
  });

  it('has the newest release first, which is the package’s', () => {
    const { version } = JSON.parse(textOf('package.json')) as { version: string };
    expect(releases[0]?.version).toBe(version);
    expect(releases.filter(({ released }) => !released).length).toBeLessThanOrEqual(1);
    expect(releases.slice(1).filter(({ released }) => !released)).toEqual([]);
  });

  it('has in the newest release the schema of migrations/, and its oldest code', () => {
    const all = filesOf('migrations/*.sql').map((file) =>
      parseMigration(file.replace('migrations/', ''), textOf(file)),
    );
    const { version, name } = all.at(-1) ?? {};
    const oldest = Math.max(...all.map(({ oldestCode }) => oldestCode));
    const said = `${version} (\`migrations/${name}\`), for code from schema ${oldest} on`;
    expect(releases[0]?.parts.get('schema')).toBe(said);
  });
});

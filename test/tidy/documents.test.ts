/** What the documents say must be true: names, codes, options, examples, links. */
import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderReference } from '../../scripts/docs/reference.ts';
import { checks } from '../../src/admin/doctor/finding.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { errorFacts } from '../../src/core/errors.ts';
import { filesOf, root, textOf } from './project.ts';

const documents = filesOf('*.md', 'docs/*.md');

describe('docs/errors.md', () => {
  it('has one heading per error code, and each code’s hint', () => {
    const text = textOf('docs/errors.md');
    const headings = [...text.matchAll(/^### `([A-Z_]+)`$/gm)].map(([, code]) => code);
    expect(headings.toSorted()).toEqual(errorFacts.map(({ code }) => code).toSorted());
    expect(errorFacts.filter(({ hint }) => !text.includes(hint))).toEqual([]);
  });

  it('and the list of errors has each code once', () => {
    const codes = errorFacts.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });
});

describe('docs/configuration.md', () => {
  it('is what npm run docs makes of the options', () => {
    expect(textOf('docs/configuration.md')).toBe(renderReference());
  });
});

describe('docs/cli.md', () => {
  it('has the exit codes', () => {
    const text = textOf('docs/cli.md');
    const rows = Object.values(exitCodes).map(({ code, meaning }) => `| ${code} | ${meaning} |`);
    const squeezed = text.replace(/ +\|/g, ' |').replace(/\| +/g, '| ');
    expect(rows.filter((row) => !squeezed.includes(row))).toEqual([]);
  });
});

describe('docs/doctor.md', () => {
  const rows = [...textOf('docs/doctor.md').matchAll(/^\| `([a-z]+\.[a-z_]+)` \|(.+)\|$/gm)];

  it('has one row per check, in the order of the report', () => {
    expect(rows.map(([, check]) => check)).toEqual(checks);
  });

  it('says of each how bad it is, what it breaks and how to mend it', () => {
    const incomplete = rows.filter(([, , rest = '']) => {
      const cells = rest.split('|').map((cell) => cell.trim());
      return cells.length !== 3 || cells.includes('') || !/(note|warning|error): /.test(rest);
    });
    expect(incomplete.map(([, check]) => check)).toEqual([]);
  });

  it('knows no check that the code never makes', () => {
    const files = filesOf('src/admin/doctor/*.ts').filter((file) => !file.endsWith('finding.ts'));
    const code = files.map(textOf).join('\n');
    expect(checks.filter((check) => !code.includes(`'${check}'`))).toEqual([]);
  });
});

describe('README.md', () => {
  it('shows examples/quick-start.ts as it is', () => {
    expect(textOf('README.md')).toContain(`\`\`\`ts\n${textOf('examples/quick-start.ts')}\`\`\``);
  });

  it('has no placeholder left', () => {
    expect(textOf('README.md')).not.toMatch(/<!--/);
  });
});

describe('a link', () => {
  it.each(documents)('of %s leads to a file of the project', (document) => {
    const links = [...textOf(document).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)];
    const targets = links.map(([, link]) => posix.join(posix.dirname(document), link ?? ''));
    expect(targets.filter((target) => !existsSync(`${root}${target}`))).toEqual([]);
  });
});

describe('the package', () => {
  it('needs no install script and names no registry', () => {
    const lock = JSON.parse(textOf('package-lock.json')) as {
      packages: Record<string, { hasInstallScript?: boolean; resolved?: string; link?: boolean }>;
    };
    const packages = Object.entries(lock.packages).filter(([name]) => name !== '');
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    const production = JSON.parse(textOf('package.json')) as { dependencies: object };
    const direct = Object.keys(production.dependencies).map((name) => `node_modules/${name}`);
    const scripted = packages.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(scripted.map(([name]) => name).filter((name) => direct.includes(name))).toEqual([]);
  });
});

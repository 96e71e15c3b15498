/** What the documents say must be true: names, codes, options, examples, links. */
import { existsSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { generatedDocuments } from '../../scripts/docs/generated.ts';
import { verdicts } from '../../src/admin/check.ts';
import { checks } from '../../src/admin/doctor/finding.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { optionEntries } from '../../src/config/entries.ts';
import { optionsSchema } from '../../src/config/options.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { errorFacts } from '../../src/core/errors.ts';
import { loginTroubles } from '../../src/core/login-trouble.ts';
import { eventFloats, opaqueFields, parseFloats } from '../../src/rasa/float-fields.ts';
import { knownOptions } from '../../src/rasa/options.ts';
import { kafkaImageDefault } from '../../src/testing/kafka.ts';
import { redisImageDefault } from '../../src/testing/redis.ts';
import { filesOf, root, textOf } from './project.ts';

const documents = filesOf('*.md', 'docs/*.md', 'examples/**/*.md');

describe('docs/errors.md', () => {
  it('has one heading per error code, and each code’s hint', () => {
    const text = textOf('docs/errors.md');
    const headings = [...text.matchAll(/^### `([A-Z_]+)`$/gm)].map(([, code]) => code);
    expect(headings.toSorted()).toEqual(errorFacts.map(({ code }) => code).toSorted());
    expect(errorFacts.filter(({ hint }) => !text.includes(hint))).toEqual([]);
  });

  it('has a row with the hint of each code that keeps the relay out of Kafka', () => {
    const rows = [...textOf('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \|.+\| (.+) \|$/gm)];
    expect(Object.fromEntries(rows.map(([, code, hint]) => [code, hint]))).toEqual(loginTroubles);
  });

  it('and the list of errors has each code once', () => {
    const codes = errorFacts.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });
});

describe('what npm run docs makes of the options', () => {
  it.each(generatedDocuments())('%s is up to date', (path, text) => {
    expect(textOf(path)).toBe(text);
  });

  it('is an example file that is accepted, and with every # taken away too', () => {
    const text = textOf('docs/outbox-relay.example.yml');
    expect(resolveConfig(parse(text))).toEqual(
      resolveConfig({ db: 'shop.db', brokers: ['127.0.0.1:9092'] }),
    );
    const all = text.replaceAll(/^( *)#(?=\w)/gm, '$1');
    expect(Object.keys(parse(all)).length).toBeGreaterThan(20);
    expect(resolveConfig(parse(all))).toMatchObject({ redis: 'redis://127.0.0.1:6379' });
  });

  it('is a schema that refuses what the code refuses', () => {
    const schema = JSON.parse(textOf('docs/outbox-relay.schema.json')) as {
      properties: Record<string, unknown>;
      additionalProperties: boolean;
    };
    expect(schema.additionalProperties).toBe(false);
    expect(Object.keys(schema.properties)).toEqual(Object.keys(optionsSchema.shape));
    expect(schema.properties['batchEvents']).toMatchObject({ type: 'integer', minimum: 1 });
  });
});

describe('docs/cli.md', () => {
  const program = createProgram({ interrupted: new AbortController().signal }, () => {});

  it('has each command in its synopsis, and no other', () => {
    const lines = [...textOf('docs/cli.md').matchAll(/^ {4}outbox-relay ([a-z |-]+?) +[-(F]/gm)];
    const told = lines.flatMap(([, names = '']) => names.split(' | '));
    const commands = program.commands.flatMap((command) =>
      command.commands.length === 0
        ? [command.name()]
        : command.commands.map((one) => `${command.name()} ${one.name()}`),
    );
    expect([...new Set(told)].toSorted()).toEqual(commands.toSorted());
  });

  it('has each command in a heading, with the flags that are its own', () => {
    const sections = textOf('docs/cli.md').split(/^## /m);
    const shared = new Set(['--config', ...optionEntries.map(({ facts }) => `--${facts.flag}`)]);
    const missing = program.commands.flatMap((command) => {
      const own = (text: string) => text.split('\n', 1)[0]?.split(', ').includes(command.name());
      const section = sections.find(own);
      if (section === undefined) return [command.name()];
      const all = [command, ...command.commands].flatMap(({ options }) => options);
      const flags = all.map(({ long }) => long ?? '').filter((flag) => !shared.has(flag));
      const untold = [...new Set(flags)].filter((flag) => !section.includes(flag));
      return untold.map((flag) => `${command.name()} ${flag}`);
    });
    expect(missing).toEqual([]);
  });

  it('has the exit codes', () => {
    const text = textOf('docs/cli.md');
    const rows = Object.values(exitCodes).map(({ code, meaning }) => `| ${code} | ${meaning} |`);
    const squeezed = text.replace(/ +\|/g, ' |').replace(/\| +/g, '| ');
    expect(rows.filter((row) => !squeezed.includes(row))).toEqual([]);
  });
});

describe('the codes of check', () => {
  it('have a row with their severity in docs/cli.md, in order', () => {
    const rows = [...textOf('docs/cli.md').matchAll(/^\| `([a-z]+\.[a-z_]+)` \| (\w+) \|/gm)];
    const told = rows.map(([, code, severity]) => [code, severity]);
    expect(told).toEqual(Object.entries(verdicts).map(([code, { severity }]) => [code, severity]));
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

describe('docs/rasa.md', () => {
  const text = textOf('docs/rasa.md');

  it('has the fields that are floats', () => {
    const names = (list: readonly string[]) => list.map((name) => `\`${name}\``).join(', ');
    expect(text).toContain(`of the event itself: ${names(eventFloats)}\n`);
    expect(text).toContain(`\`parse_data\` and \`entities\`: ${names(parseFloats)}\n`);
    expect(text).toContain(`not below ${names(opaqueFields)},`);
  });

  it('has a row with a test for every option of the event broker', () => {
    const rows = text.split('\n').filter((line) => /^\| .*`test\//.test(line));
    const named = rows.map((line) => line.split('|')[1] ?? '');
    const options = [...knownOptions].filter((name) => name !== 'type');
    const missing = options.filter((name) => !named.some((cell) => cell.includes(`\`${name}\``)));
    expect(missing).toEqual([]);
  });
});

describe('the doctor’s tests', () => {
  it('look for a finding of every check that was made to happen', () => {
    const others = ['test/unit/outbox/network.test.ts', 'test/integration/exactly-once.test.ts'];
    const files = filesOf('test/integration/doctor*.test.ts', ...others);
    // Of the judge's own tests none counts: they are given facts that nobody has asked for.
    expect(files).toHaveLength(7);
    const text = files.map(textOf).join('\n');
    const planted = new RegExp(`'(${checks.join('|')})'`, 'g');
    const named = new Set([...text.matchAll(planted)].map(([, check]) => check));
    expect(checks.filter((check) => !named.has(check))).toEqual([]);
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

describe('docs/testing.md', () => {
  it('names the images that the kit starts and the set-up has', () => {
    const images = [kafkaImageDefault, redisImageDefault];
    for (const path of ['docs/testing.md', 'scripts/setup/images.mjs']) {
      expect(images.filter((image) => !textOf(path).includes(image))).toEqual([]);
    }
  });
});

describe('examples/README.md', () => {
  it('names every example', () => {
    const rows = [...textOf('examples/README.md').matchAll(/^\| \[([^\]]+)\]/gm)];
    const entries = readdirSync(`${root}examples`, { withFileTypes: true })
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .filter((name) => /(\.ts|\/)$/.test(name));
    expect(rows.map(([, name]) => name).toSorted()).toEqual(entries.toSorted());
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

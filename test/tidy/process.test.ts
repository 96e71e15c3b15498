/** The process is its owner's, the store counts no rows, CI runs scripts of the repository. */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { portable, withoutServices } from '../../scripts/test/without-services.mjs';
import { filesOf, root, textOf } from './project.ts';

/** Signal handlers, exits, exit codes, and listeners of what nobody caught. */
const ownersBusiness =
  /\bprocess\s*\.\s*(on|once|addListener|exit|exitCode|abort|kill|emitWarning)\b/;

it('only programs handle signals and end the process: the command line, the kit’s relay', () => {
  const meddling = filesOf('src/**/*.ts').filter((file) => ownersBusiness.test(textOf(file)));
  const programs = ['src/cli/main.ts', 'src/cli/shell.ts', 'src/testing/relay-process.ts'];
  expect(meddling).toEqual(programs);
});

interface Job {
  readonly needs?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix?: { readonly node?: readonly string[] } };
  readonly steps: readonly {
    readonly run?: string;
    readonly uses?: string;
    readonly env?: Readonly<Record<string, string>>;
  }[];
}

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

it('the workflows run scripts of the repository, the tests on Node 22, 24 and 26', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  const isOurs = (command: string) => {
    const [, name] = /^npm (?:run )?(\S+)(?: -- [\w. -]+)?$/.exec(command) ?? [];
    return name === undefined ? existsSync(`${root}${command}`) : name in scripts;
  };
  const workflows = filesOf('.github/workflows/*').map((file) => parse(textOf(file)) as Workflow);
  const commands = workflows
    .flatMap(({ jobs }) => Object.values(jobs))
    .flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
  expect(commands.filter((command) => command === '.ci/run')).toHaveLength(2);
  expect(commands.filter((command) => !isOurs(command))).toEqual([]);
  expect(isOurs('curl example.com')).toBe(false);
  expect(isOurs('npm run test && curl example.com')).toBe(false);
  const { jobs } = parse(textOf('.github/workflows/ci.yml')) as Workflow;
  expect(jobs['test']?.strategy?.matrix?.node).toEqual(['22', '24', '26']);
  expect(textOf('.ci/run')).toMatch(/^exec npm test$/m);
});

it('only the job that publishes may sign, after all tests, and its last step has the token', () => {
  const { permissions, jobs } = parse(textOf('.github/workflows/publish.yml')) as Workflow;
  expect(permissions).toEqual({ contents: 'read' });
  const { test, publish, ...others } = jobs;
  expect(others).toEqual({});
  expect(test).not.toHaveProperty('permissions');
  expect(test?.steps.at(-1)).toEqual({ run: '.ci/run' });
  expect(publish).toMatchObject({
    needs: 'test',
    permissions: { contents: 'read', 'id-token': 'write' },
  });
  const runs = (job: Job | undefined) => job?.steps.flatMap(({ run }) => run ?? []);
  expect(runs(publish)).toEqual(['npm run setup', 'scripts/release/publish']);
  const steps = [...(test?.steps ?? []), ...(publish?.steps ?? [])];
  const secret = steps.filter((step) => JSON.stringify(step).includes('secrets.'));
  expect(secret.map(({ run }) => run)).toEqual(['scripts/release/publish']);
  const rights = filesOf('.github/workflows/*').filter((file) => /id-token/.test(textOf(file)));
  expect(rights).toEqual(['.github/workflows/publish.yml']);
});

it('no statement of the store counts rows: it takes the same time at any backlog', () => {
  // What an operator asks for may take its time; a recovery counts one transaction's events.
  const files = filesOf('src/outbox/sqlite/*.ts').filter(
    (file) => !/\/(acts|operator|recovery)\.ts$/.test(file),
  );
  const counting = files.filter((file) => {
    return /\b(count\s*\(\s*(\*|\w+)\s*\)|total\s*\()/i.test(textOf(file));
  });
  expect(counting).toEqual([]);
});

it('the list of tests that need no service and the files agree', () => {
  const files = filesOf('test/{contract,integration}/*.test.ts');
  const services = /support\/((kafka|kafka-pair|redis|images)\.ts|security\/)|demo\/main\.ts/;
  expect(files.filter((file) => !services.test(textOf(file)))).toEqual(withoutServices);
  expect(withoutServices).toEqual(expect.arrayContaining(portable));
});

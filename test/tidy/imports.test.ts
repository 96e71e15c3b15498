/** The import law: who may see whom, so that a stage can be read, tested and replaced alone. */
import { describe, expect, it } from 'vitest';
import { filesOf, type Import, importsIn, textOf } from './project.ts';

const seams = ['src/outbox/store.ts', 'src/sink/driver.ts', 'src/trigger/trigger.ts'];

/** What files of a folder may import of ours, as prefixes; the folder itself is allowed. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'src/core/': [],
  'src/config/': ['src/core/'],
  'src/enqueue/': ['src/core/', 'src/outbox/store.ts'],
  'src/outbox/': ['src/core/'],
  'src/sink/': ['src/core/'],
  'src/trigger/': ['src/core/'],
  'src/relay/': ['src/core/', ...seams],
  'src/admin/': ['src/core/', ...seams],
  'src/testing/': [
    'src/core/',
    'src/app.ts',
    'src/enqueue/outbox.ts',
    'src/sink/driver.ts',
    'src/sink/memory.ts',
  ],
  'src/cli/': ['src/core/', 'src/config/', 'src/admin/', 'src/app.ts', 'src/index.ts'],
};

/** Packages that are imported in one file only, types included. */
const oneImporter: Readonly<Record<string, string>> = {
  'better-sqlite3': 'src/outbox/sqlite/database.ts',
  kafkajs: 'src/sink/kafkajs/client.ts',
  bullmq: 'src/trigger/bullmq.ts',
  ioredis: 'src/trigger/bullmq.ts',
};

function problemOf({ from, to }: Import): string | null {
  const ours = to.startsWith('src/');
  const isPackage = !ours && !to.startsWith('node:');
  if (to.startsWith('test/') || to.startsWith('scripts/')) return 'src is not built on these';
  const only = oneImporter[to];
  if (only !== undefined) return from === only ? null : `only ${only} may import ${to}`;
  if (isPackage && from.startsWith('src/core/')) return 'core imports no package';
  if (isPackage && seams.includes(from)) return 'a seam imports only core';
  if (!ours) return null;
  if (seams.includes(from)) return to.startsWith('src/core/') ? null : 'a seam imports only core';
  const folder = Object.keys(mayImport).find((prefix) => from.startsWith(prefix));
  if (folder === undefined) return null; // app.ts and index.ts put everything together
  if (to.startsWith(folder)) return null;
  const allowed = mayImport[folder]?.some((prefix) => to.startsWith(prefix)) ?? false;
  return allowed ? null : `${folder} does not see it`;
}

const problems = (imports: readonly Import[]) =>
  imports.flatMap((one) => {
    const problem = problemOf(one);
    return problem === null ? [] : [`${one.from} → ${one.to}: ${problem}`];
  });

describe('the import law', () => {
  it('holds in every file of src', () => {
    const files = filesOf('src/**/*.ts');
    expect(files.length).toBeGreaterThan(50);
    expect(problems(files.flatMap((file) => importsIn(file, textOf(file))))).toEqual([]);
  });

  it.each([
    ['src/core/lane.ts', "import { v7 } from 'uuid';"],
    ['src/core/lane.ts', "import { limits } from '../config/facts.ts';"],
    ['src/outbox/store.ts', "import type { Database } from './sqlite/database.ts';"],
    ['src/relay/lane.ts', "import { classify } from '../sink/classify.ts';"],
    ['src/relay/lane.ts', "import type {\n  A,\n  B,\n} from 'better-sqlite3';"],
    ['src/enqueue/outbox.ts', "import type { Driver } from '../sink/driver.ts';"],
    ['src/cli/run.ts', "const { Kafka } = await import('kafkajs');"],
    ['src/cli/run.ts', "export { RelayCore } from '../relay/relay.ts';"],
    ['src/app.ts', "import { until } from '../test/support/wait.ts';"],
  ])('is broken when %s says %s', (file, text) => {
    expect(problems(importsIn(file, text))).toHaveLength(1);
  });

  it('names files that exist', () => {
    const named = [...seams, ...Object.values(oneImporter)];
    expect(filesOf('src/**/*.ts')).toEqual(expect.arrayContaining(named));
    for (const [name, file] of Object.entries(oneImporter)) {
      expect(importsIn(file, textOf(file)).map(({ to }) => to)).toContain(name);
    }
  });
});

/** The import law: who may see whom, so that a stage can be read, tested and replaced alone. */
import { describe, expect, it } from 'vitest';
import { filesOf, type Import, importsIn, textOf } from './project.ts';

/** The seam of the store is in four files: leases, held events, the rest, and what operators do. */
const storeSeam = [
  'src/outbox/lease.ts',
  'src/outbox/held.ts',
  'src/outbox/recovery.ts',
  'src/outbox/store.ts',
  'src/outbox/operator.ts',
];
const seams = [...storeSeam, 'src/sink/driver.ts', 'src/sink/reader.ts', 'src/trigger/trigger.ts'];

/** What a stage can tell about itself: facts in our words, for the doctor. Types alone. */
const inspections = [
  'src/outbox/inspection.ts',
  'src/outbox/integrity.ts',
  'src/sink/inspection.ts',
  'src/trigger/inspection.ts',
];

/** They put everything together and see everything. */
const roots = [
  'src/app.ts',
  'src/diagnose.ts',
  'src/outbox-file.ts',
  'src/verify.ts',
  'src/index.ts',
];

/** What files of a folder may import of ours, as prefixes; the folder itself is allowed. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'src/core/': [],
  'src/config/': ['src/core/', 'src/sink/security.ts'],
  'src/enqueue/': ['src/core/', 'src/outbox/store.ts'],
  'src/outbox/': ['src/core/'],
  'src/sink/': ['src/core/'],
  'src/trigger/': ['src/core/'],
  'src/relay/': ['src/core/', ...seams],
  'src/admin/': ['src/core/', ...seams, ...inspections],
  'src/telemetry/': ['src/core/', 'src/relay/events.ts'],
  'src/testing/': [
    'src/core/',
    'src/config/',
    'src/app.ts',
    'src/outbox-file.ts',
    'src/enqueue/outbox.ts',
    'src/relay/lane-parts.ts',
    'src/sink/driver.ts',
    'src/sink/memory.ts',
  ],
  'src/inbox/': ['src/core/', 'src/outbox/sqlite/database.ts'],
  'src/rasa/': [
    'src/core/',
    'src/config/',
    'src/app.ts',
    'src/enqueue/outbox.ts',
    'src/sink/security.ts',
    'src/telemetry/log.ts',
  ],
  'src/cli/': [
    'src/core/',
    'src/config/',
    'src/admin/',
    'src/rasa/',
    ...roots,
    'src/outbox/integrity.ts',
  ],
};

/** Packages that are imported in one file only, types included. */
const oneImporter: Readonly<Record<string, readonly string[]>> = {
  'better-sqlite3': ['src/outbox/sqlite/database.ts'],
  // The kit's consumer is a witness against the relay, and so shares no code with its client.
  kafkajs: ['src/sink/kafkajs/client.ts', 'src/testing/kafka-client.ts'],
  '@platformatic/wasm-utils': ['src/sink/kafkajs/compression.ts'],
  bullmq: ['src/trigger/bullmq.ts'],
  ioredis: ['src/trigger/redis.ts'],
  testcontainers: ['src/testing/container.ts'],
};

function problemOf({ from, to }: Import): string | null {
  const ours = to.startsWith('src/');
  const isPackage = !ours && !to.startsWith('node:');
  if (to.startsWith('test/') || to.startsWith('scripts/')) return 'src is not built on these';
  const only = oneImporter[to];
  if (only !== undefined) return only.includes(from) ? null : `only ${only} may import ${to}`;
  if (isPackage && from.startsWith('src/core/')) return 'core imports no package';
  if (isPackage && seams.includes(from)) return 'a seam imports only core';
  if (!ours) return null;
  if (seams.includes(from)) {
    const own = storeSeam.includes(from) && storeSeam.includes(to);
    return own || to.startsWith('src/core/') ? null : 'a seam imports only core';
  }
  if (inspections.includes(from)) {
    return to.startsWith('src/core/') ? null : 'an inspection imports only core';
  }
  if (from.startsWith('src/') && !/^src\/(rasa|cli)\//.test(from) && to.startsWith('src/rasa/')) {
    return 'only the command line sees rasa';
  }
  if (roots.includes(from)) return null;
  const folder = Object.keys(mayImport).find((prefix) => from.startsWith(prefix));
  if (folder === undefined) return 'it is in no folder of the law, and no root';
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
    ['src/sink/inspection.ts', "import { classify } from './classify.ts';"],
    ['src/admin/doctor/kafka.ts', "import { Client } from '../../sink/kafkajs/client.ts';"],
    ['src/relay/lane.ts', "import type { TopicFacts } from '../sink/inspection.ts';"],
    ['src/trigger/bullmq.ts', "import { Redis } from 'ioredis';"],
    ['src/rasa/broker.ts', "import { Client } from '../sink/kafkajs/client.ts';"],
    ['src/app.ts', "import { KafkaEventBroker } from './rasa/broker.ts';"],
    ['src/testing/kafka.ts', "import { Kafka } from 'kafkajs';"],
    ['src/testing/kafka.ts', "type Started = import('testcontainers').StartedTestContainer;"],
    ['src/testing/kafka-client.ts', "import { Client } from '../sink/kafkajs/client.ts';"],
    ['src/stray.ts', "import { limits } from './core/limits.ts';"],
    ['src/app.ts', "import { until } from '../test/support/wait.ts';"],
  ])('is broken when %s says %s', (file, text) => {
    expect(problems(importsIn(file, text))).toHaveLength(1);
  });

  it('names files that exist', () => {
    const named = [...seams, ...inspections, ...roots, ...Object.values(oneImporter).flat()];
    expect(filesOf('src/**/*.ts')).toEqual(expect.arrayContaining(named));
    for (const [name, files] of Object.entries(oneImporter)) {
      for (const file of files) {
        expect(importsIn(file, textOf(file)).map(({ to }) => to)).toContain(name);
      }
    }
  });
});

// Test files that start neither Kafka nor Redis; test/tidy keeps the list and the files the same.
// Plain JavaScript: scripts/run.mjs reads it before the toolchain exists.

/** Not run by `npm run test:versions`: no version of a service makes a difference to them. */
export const withoutServices = [
  'test/contract/bounds.test.ts',
  'test/contract/check.test.ts',
  'test/contract/inbox.test.ts',
  'test/contract/operator-many.test.ts',
  'test/contract/operator.test.ts',
  'test/contract/pruning.test.ts',
  'test/contract/repair-around.test.ts',
  'test/contract/repair-log.test.ts',
  'test/contract/repair-rows.test.ts',
  'test/contract/repair-schema.test.ts',
  'test/contract/repair.test.ts',
  'test/contract/shrinking.test.ts',
  'test/contract/store.test.ts',
  'test/integration/api-reference.test.ts',
  'test/integration/cli-operator.test.ts',
  'test/integration/cli-print-config.test.ts',
  'test/integration/cli-publish.test.ts',
  'test/integration/doctor-file.test.ts',
  'test/integration/doctor-patience.test.ts',
  'test/integration/enqueue.test.ts',
  'test/integration/full-disk.test.ts',
  'test/integration/inbox-processes.test.ts',
  'test/integration/lifecycle.test.ts',
  'test/integration/opening.test.ts',
  'test/integration/package.test.ts',
  'test/integration/private-file.test.ts',
  'test/integration/relay-handle.test.ts',
  'test/integration/secret-files.test.ts',
  'test/integration/token-endpoint.test.ts',
  'test/integration/upgrades.test.ts',
  'test/integration/writers.test.ts',
];

/** What is packed and documented is the same everywhere; planted faults of a disk need Linux. */
const onceIsEnough = /\/(package|api-reference|full-disk|doctor-\w+)\.test/;

/** Run by `npm run test:portable`. */
export const portable = withoutServices.filter((file) => !onceIsEnough.test(file));

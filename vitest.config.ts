import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = fileURLToPath(new URL('src/index.ts', import.meta.url));
const alias = { 'outbox-relay': source };

function project(name: string, groupOrder: number, settings: Record<string, unknown> = {}) {
  const include = [`test/${name}/**/*.test.ts`];
  return {
    resolve: { alias },
    test: { name, include, isolate: true, sequence: { groupOrder }, ...settings },
  };
}

/** Containers and child processes take their time; a broker needs up to 15 s to come back. */
const slow = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  pool: 'forks',
  // Leftovers are found by label (scripts/test), so the reaper's own image is not needed.
  env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
};

/** What `npm test` has no time for is in test/fault/full. */
const isFull = process.env['FAULT_FORM'] === 'full';

export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      project('tidy', 0, { maxWorkers: 2 }),
      // So long nothing may hang; how fast it is says nothing on a machine that others use, too.
      project('unit', 1, { testTimeout: 60_000, maxWorkers: 2 }),
      project('contract', 2, { ...slow, maxWorkers: 2 }),
      project('integration', 3, { ...slow, maxWorkers: 2 }),
      // One after the other: what they kill and count must not wait for somebody else's work.
      project('fault', 4, {
        ...slow,
        include: isFull ? ['test/fault/**/*.test.ts'] : ['test/fault/*.test.ts'],
        testTimeout: 1_800_000,
        fileParallelism: false,
      }),
    ],
    reporters: ['default'],
  },
});

/** Whatever Kafka refuses, and whenever: nothing is lost, and each key keeps its order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/relay/lane-parts.ts';
import { keys, RelayWorld, type Step, steps, topics } from '../../support/relay-world.ts';

/** Takes the steps, and looks at what is left when all has become well. */
async function run(todo: readonly Step[], delivery: Delivery): Promise<RelayWorld> {
  const world = new RelayWorld({ delivery });
  await world.bench.core.start();
  for (const step of todo) await world.take(step);
  await world.calmDown();
  const held = world.bench.sql('SELECT seq, state FROM outbox_held');
  const summary = world.bench.store.summary();
  await world.bench.stop();
  expect(world.broken).toEqual([]);
  expect(held).toEqual([]);
  expect(summary).toMatchObject({ pending: 0, held: 0, delivered: world.appended.length });
  return world;
}

/** Of every key of every topic: what was accepted, and what Kafka has of it. */
function accounts(world: RelayWorld) {
  return topics.flatMap((topic) =>
    keys.map((key) => [world.accepted(topic, key), world.delivered(topic, key)] as const),
  );
}

describe('whatever Kafka refuses, and whenever', { timeout: 120_000 }, () => {
  it('nothing is lost, and each key keeps its order', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (todo) => {
        const world = await run(todo, 'at-least-once');
        for (const [accepted, delivered] of accounts(world)) {
          expect([...new Set(delivered)]).toEqual(accepted);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('nothing comes twice either, with exactly-once, whatever becomes of commits', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (todo) => {
        const world = await run(todo, 'exactly-once');
        for (const [accepted, delivered] of accounts(world)) expect(delivered).toEqual(accepted);
      }),
      { numRuns: 25 },
    );
  });
});

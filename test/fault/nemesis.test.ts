/**
 * Everything that goes wrong, in random order, while an application writes and two relays share
 * its outbox. Each fault comes once in the short form, and four times in full.
 */
import { describe, expect, it } from 'vitest';
import { percentile } from '../../scripts/bench/statistics.ts';
import { pause, systemClock } from '../../src/core/clock.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { allDelivered } from '../support/scene.ts';
import { type Fault, faults, waitOf } from './faults.ts';
import { byForm, Chance, report } from './form.ts';
import { witnessOf } from './witness.ts';
import { World } from './world.ts';

const rounds = byForm({ short: 1, full: 4 });
const eventsAtOnce = byForm({ short: 300, full: 2_000 });
/** Ten times what is promised, on a real clock. */
const firstDeliveryMsMax = 20_000;

/** How long the first delivery took after an outage, milliseconds; `null`: there was none. */
async function suffer(world: World, fault: Fault, chance: Chance): Promise<number | null> {
  const { scene, kafka } = world;
  scene.enqueue(eventsAtOnce);
  await world.progress();
  await fault.begin(world, chance);
  scene.enqueue(eventsAtOnce);
  await pause(systemClock, waitOf(fault, chance));
  scene.enqueue(eventsAtOnce);
  await fault.end(world);
  if (fault.isOutage !== true) {
    await world.drained();
    return null;
  }
  await kafka.probe();
  const backMs = performance.now();
  if (world.status().pending > 0) await world.progress();
  const firstMs = performance.now() - backMs;
  await world.drained();
  return Math.round(firstMs);
}

describe('two relays and an application, beside everything that goes wrong', () => {
  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'lose and reorder nothing: %s',
    { timeout: 3_600_000 },
    async (delivery) => {
      const chance = new Chance(`nemesis ${delivery}`);
      const world = await World.start(delivery);
      try {
        const firstMs: number[] = [];
        const done: string[] = [];
        for (let round = 0; round < rounds; round += 1) {
          for (const fault of chance.shuffled(faults)) {
            process.stdout.write(`  ${done.length + 1}. ${fault.name}\n`);
            const ms = await suffer(world, fault, chance);
            if (ms !== null) firstMs.push(ms);
            done.push(fault.name);
          }
        }
        const { examples, ...facts } = await world.scene.account(
          witnessOf(world.kafka, delivery),
          120_000,
        );
        report('nemesis', {
          ...{ delivery, seed: chance.seed, faults: done.length, ...facts },
          firstDeliveryMs: { median: percentile(firstMs, 0.5), max: Math.max(...firstMs) },
        });
        expect({ ...facts, examples }).toMatchObject(allDelivered);
        expect(Math.max(...firstMs)).toBeLessThan(firstDeliveryMsMax);
        if (delivery === 'exactly-once') expect(facts).toMatchObject({ duplicated: 0 });
      } finally {
        await world.stop();
      }
    },
  );
});

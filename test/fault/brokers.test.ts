/**
 * The broker is killed while a send is under way, again and again: its coordinator of transactions
 * with it. A kill counts when a send that was under way before it came to nothing.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { percentile } from '../../scripts/bench/statistics.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { endsLostBy } from '../support/lost-ends.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';
import { byForm, Chance, report } from './form.ts';
import { startWatched, type Watched } from './watched-driver.ts';
import { witnessOf } from './witness.ts';

const killsWanted = byForm({ short: 1, full: 12 });
/** More than is sent while Docker gets to the kill; at least once it is twice as fast. */
const eventsPerKill: Readonly<Record<Delivery, number>> = {
  'at-least-once': byForm({ short: 4_000, full: 60_000 }),
  'exactly-once': byForm({ short: 4_000, full: 15_000 }),
};
/** Ten times what is promised, on a real clock. */
const firstDeliveryMsMax = 20_000;

let kafka: KafkaBroker;
let scene: Scene;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());
beforeEach(async () => {
  scene = new Scene(4);
  scene.enqueue(1); // makes the outbox, with its lanes
  await kafka.createTopic(scene.topic);
});
afterEach(() => scene.close());

interface Times {
  /** From the first produce of somebody else that succeeded, milliseconds. */
  readonly firstDeliveryMs: number[];
  readonly drainedMs: number[];
}

/** True when it broke a send. */
async function killOnce(
  { relay, driver }: Watched,
  { events, chance, times }: { events: number; chance: Chance; times: Times },
) {
  const [acked, failed] = [driver.acked, driver.failed];
  scene.enqueue(events);
  const after = chance.between(1, 4);
  const isUnderWay = () => driver.acked >= acked + after && driver.underWay > 0;
  await until('a send is under way', isUnderWay, { everyMs: 1 });
  driver.mark();
  await kafka.container.kill();
  await until('sends are answered', () => driver.underWay === 0 || driver.failed > failed);
  const met = driver.brokenSinceMark > 0;
  let isFirst = false;
  relay.once('delivered', () => {
    isFirst = true;
  });
  await kafka.container.start();
  await kafka.probe();
  if (!met) return false; // it came between two sends, or after the last one
  const backMs = performance.now();
  await until('the first delivery', () => isFirst, { timeoutMs: 60_000, everyMs: 1 });
  times.firstDeliveryMs.push(Math.round(performance.now() - backMs));
  await scene.allDelivered(relay, 120_000);
  times.drainedMs.push(Math.round(performance.now() - backMs));
  return true;
}

describe('a broker that is killed with sends under way', () => {
  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'costs nothing but time: %s',
    { timeout: 1_800_000 },
    async (delivery) => {
      const chance = new Chance(`brokers ${delivery}`);
      const times: Times = { firstDeliveryMs: [], drainedMs: [] };
      const subject = await startWatched(scene, kafka.address, delivery);
      let [kills, counted] = [0, 0];
      while (counted < killsWanted) {
        if (await killOnce(subject, { events: eventsPerKill[delivery], chance, times }))
          counted += 1;
        kills += 1;
      }
      const { examples, ...facts } = await scene.account(witnessOf(kafka, delivery));
      const endsLost = await endsLostBy(kafka.container);
      const { firstDeliveryMs, drainedMs } = times;
      const slowest = Math.max(...firstDeliveryMs);
      report('broker kills', {
        ...{ delivery, seed: chance.seed, kills, counted, ...facts, endsLost },
        firstDeliveryMs: { median: percentile(firstDeliveryMs, 0.5), max: slowest },
        drainedMs: { median: percentile(drainedMs, 0.5), max: Math.max(...drainedMs) },
      });
      expect(facts).toMatchObject(allDelivered);
      expect(slowest).toBeLessThan(firstDeliveryMsMax);
      if (delivery === 'exactly-once') expect(facts.duplicated).toBe(0);
    },
  );
});

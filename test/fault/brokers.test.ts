/**
 * The broker is killed while a send is under way, again and again: its coordinator of transactions
 * with it. A proxy in front of it keeps a request of the send, or its answer, until the kill.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { percentile } from '../../scripts/bench/statistics.ts';
import type { Relay } from '../../src/index.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import type { KafkaBroker } from '../support/kafka.ts';
import { type KafkaTap, type RequestName, requests, type Stop } from '../support/kafka-tap.ts';
import { endsLostBy } from '../support/lost-ends.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { TappedKafka } from '../support/tapped-kafka.ts';
import { until } from '../support/wait.ts';
import { byForm, Chance, report } from './form.ts';
import { witnessOf } from './witness.ts';

const killsEach = byForm({ short: 1, full: 12 });
const eventsPerKill = 5_000;
/** Ten times what is promised, on a real clock. */
const firstDeliveryMsMax = 20_000;

/** What is kept. */
const places: Readonly<Record<Delivery, readonly RequestName[]>> = {
  'at-least-once': ['Produce'],
  'exactly-once': Object.keys(requests) as RequestName[],
};

let broker: TappedKafka;
let kafka: KafkaBroker;
let tap: KafkaTap;
let scene: Scene;

beforeAll(async () => {
  broker = await TappedKafka.start();
  ({ kafka, tap } = broker);
});
afterAll(() => broker?.stop());
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

async function killOnce(relay: Relay, stop: Stop, times: Times): Promise<void> {
  const met = tap.meet(stop);
  scene.enqueue(eventsPerKill);
  await met;
  let isBroken = false;
  relay.once('laneFailed', () => {
    isBroken = true;
  });
  await kafka.container.kill();
  await until('the send has come to nothing', () => isBroken);
  let isFirst = false;
  relay.once('delivered', () => {
    isFirst = true;
  });
  await kafka.container.start();
  await kafka.probe();
  const backMs = performance.now();
  await until('the first delivery', () => isFirst, { timeoutMs: 60_000, everyMs: 1 });
  times.firstDeliveryMs.push(Math.round(performance.now() - backMs));
  await scene.allDelivered(relay, 120_000);
  times.drainedMs.push(Math.round(performance.now() - backMs));
}

describe('a broker that is killed with sends under way', () => {
  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'costs nothing but time: %s',
    { timeout: 1_800_000 },
    async (delivery) => {
      const chance = new Chance(`brokers ${delivery}`);
      const times: Times = { firstDeliveryMs: [], drainedMs: [] };
      const options = { delivery, createTopics: 'never', batchEvents: 200 } as const;
      const relay = scene.relay(broker.address, options);
      await relay.start();
      await scene.allDelivered(relay);
      for (let kills = 0; kills < killsEach; kills += 1) {
        const request = chance.oneOf(places[delivery]);
        const when = chance.oneOf(['unsent', 'unanswered'] as const);
        await killOnce(relay, { request, when, skip: chance.between(0, 8) }, times);
      }
      const { examples, ...facts } = await scene.account(witnessOf(kafka, delivery));
      const endsLost = await endsLostBy(kafka.container);
      const { firstDeliveryMs, drainedMs } = times;
      const slowest = Math.max(...firstDeliveryMs);
      report('broker kills', {
        ...{ delivery, seed: chance.seed, kills: killsEach, ...facts, endsLost },
        firstDeliveryMs: { median: percentile(firstDeliveryMs, 0.5), max: slowest },
        drainedMs: { median: percentile(drainedMs, 0.5), max: Math.max(...drainedMs) },
      });
      expect(facts).toMatchObject(allDelivered);
      expect(slowest).toBeLessThan(firstDeliveryMsMax);
      if (delivery === 'exactly-once') expect(facts.duplicated).toBe(0);
    },
  );
});

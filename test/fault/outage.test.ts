/**
 * An outage that is longer than the whole retry budget: ten minutes against five with the defaults
 * (60 retries, 5 s apart). In the short form the same with both made small.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pause, systemClock } from '../../src/core/clock.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { RedisServer } from '../support/redis.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { byForm, report } from './form.ts';
import { witnessOf } from './witness.ts';

const outageMs = byForm({ short: 4_000, full: 600_000 });
const retry = byForm({
  short: { retries: 3, delayMs: 300 },
  full: { retries: 60, delayMs: 5_000 },
});
const eventsAtOnce = 100;
/** Ten times what is promised, on a real clock. */
const firstDeliveryMsMax = 20_000;

let kafka: KafkaBroker;
let redis: RedisServer;
let scene: Scene;

beforeEach(async () => {
  [kafka, redis] = await Promise.all([KafkaBroker.start(), RedisServer.start()]);
  scene = new Scene();
  await kafka.createTopic(scene.topic);
});
afterEach(async () => {
  await scene.close();
  await redis.stop();
  await kafka.stop();
});

describe('an outage that is longer than the whole retry budget', () => {
  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'loses nothing and is over at once: %s',
    { timeout: 900_000 },
    async (delivery) => {
      const options = { delivery, createTopics: 'never', redis: redis.url, retry } as const;
      const relay = scene.relay(kafka.address, options);
      await relay.start();
      scene.enqueue(eventsAtOnce);
      await scene.drained(relay);
      await kafka.container.kill();
      const endMs = systemClock.monotonic() + outageMs;
      while (systemClock.monotonic() < endMs) {
        scene.enqueue(eventsAtOnce);
        await pause(systemClock, outageMs / 100);
      }
      const { roundsUsedUp } = relay.status();
      expect(relay.status()).toMatchObject({ held: 0, delivered: eventsAtOnce });
      expect(roundsUsedUp).toBeGreaterThan(0);
      const first = new Promise<void>((resolve) => relay.once('delivered', () => resolve()));
      await kafka.container.start();
      await kafka.probe();
      const backMs = performance.now();
      await first;
      const firstDeliveryMs = Math.round(performance.now() - backMs);
      await scene.drained(relay, 120_000);
      const drainedMs = Math.round(performance.now() - backMs);
      const { examples, ...facts } = await scene.account(witnessOf(kafka, delivery));
      const budgetMs = retry.retries * retry.delayMs;
      const figures = { outageMs, budgetMs, roundsUsedUp, firstDeliveryMs, drainedMs };
      report('long outage', { delivery, ...figures, ...facts });
      expect({ ...facts, examples }).toMatchObject(allDelivered);
      expect(firstDeliveryMs).toBeLessThan(firstDeliveryMsMax);
      if (delivery === 'exactly-once') expect(facts).toMatchObject({ duplicated: 0 });
    },
  );
});

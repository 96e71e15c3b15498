/**
 * An outage that is longer than the whole retry budget: ten minutes against five with the defaults
 * (60 retries, 5 s apart). In the short form the same with both made small. Two relays with an
 * outbox each go through the same one.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pause, systemClock } from '../../src/core/clock.ts';
import type { Relay } from '../../src/index.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { RedisServer } from '../support/redis.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';
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
const subjects = new Map<Delivery, Subject>();

interface Subject {
  readonly scene: Scene;
  readonly relay: Relay;
  /** `null`: nothing was delivered since the broker was started again. */
  deliveredAtMs: number | null;
}

beforeAll(async () => {
  [kafka, redis] = await Promise.all([KafkaBroker.start(), RedisServer.start()]);
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    const scene = new Scene();
    await kafka.createTopic(scene.topic);
    const options = { delivery, createTopics: 'never', redis: redis.url, retry } as const;
    const subject = { scene, relay: scene.relay(kafka.address, options), deliveredAtMs: null };
    subjects.set(delivery, subject);
    await subject.relay.start();
    scene.enqueue(eventsAtOnce);
    await scene.allDelivered(subject.relay);
  }
  await kafka.container.kill();
  const endMs = systemClock.monotonic() + outageMs;
  const isUsedUp = () =>
    [...subjects.values()].every(({ relay }) => relay.status().roundsUsedUp > 0);
  while (systemClock.monotonic() < endMs || !isUsedUp()) {
    for (const { scene } of subjects.values()) scene.enqueue(eventsAtOnce);
    await pause(systemClock, outageMs / 100);
  }
}, 900_000);
afterAll(async () => {
  for (const { scene } of subjects.values()) await scene.close();
  await redis?.stop();
  await kafka?.stop();
});

describe('an outage that is longer than the whole retry budget', () => {
  let backMs: number;

  beforeAll(async () => {
    for (const subject of subjects.values()) {
      expect(subject.relay.status()).toMatchObject({ held: 0, delivered: eventsAtOnce });
      subject.relay.once('delivered', () => {
        subject.deliveredAtMs = performance.now();
      });
    }
    await kafka.container.start();
    await kafka.probe();
    backMs = performance.now();
  }, 120_000);

  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'loses nothing and is over at once: %s',
    { timeout: 300_000 },
    async (delivery) => {
      const subject = subjects.get(delivery) as Subject;
      const { scene, relay } = subject;
      await until('something is delivered', () => subject.deliveredAtMs !== null);
      await scene.allDelivered(relay, 120_000);
      // It may have been quicker than the probe.
      const firstDeliveryMs = Math.max(0, Math.round(Number(subject.deliveredAtMs) - backMs));
      const { examples, ...facts } = await scene.account(witnessOf(kafka, delivery));
      const budgetMs = retry.retries * retry.delayMs;
      const { roundsUsedUp } = relay.status();
      report('long outage', {
        ...{ delivery, outageMs, budgetMs, roundsUsedUp, firstDeliveryMs, ...facts },
      });
      expect({ ...facts, examples }).toMatchObject(allDelivered);
      expect(firstDeliveryMs).toBeLessThan(firstDeliveryMsMax);
      if (delivery === 'exactly-once') expect(facts).toMatchObject({ duplicated: 0 });
    },
  );
});

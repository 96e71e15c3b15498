/**
 * kill -9 inside a transaction: before Kafka has a request of it, and when Kafka has answered and
 * the relay does not know. Then the same with the broker, the coordinator with it.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStatus, type StatusReader } from '../../src/index.ts';
import { Child } from '../support/child.ts';
import type { KafkaBroker } from '../support/kafka.ts';
import { type KafkaTap, type RequestName, requests, type Stop } from '../support/kafka-tap.ts';
import { endsLostBy } from '../support/lost-ends.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { TappedKafka } from '../support/tapped-kafka.ts';
import { until } from '../support/wait.ts';
import { byForm, Chance, report } from './form.ts';

const timesEach = byForm({ short: 1, full: 20 });
const brokerKillsEach = byForm({ short: 1, full: 4 });
const once = { ...allDelivered, duplicated: 0 };
const options = { delivery: 'exactly-once', createTopics: 'never', batchEvents: 20 } as const;
const places = Object.keys(requests).flatMap((request) =>
  (['unsent', 'unanswered'] as const).map((when) => ({ request: request as RequestName, when })),
);

let broker: TappedKafka;
let kafka: KafkaBroker;
let tap: KafkaTap;
let scene: Scene;
let status: StatusReader;

beforeAll(async () => {
  broker = await TappedKafka.start();
  ({ kafka, tap } = broker);
});
afterAll(() => broker?.stop());
beforeEach(async () => {
  scene = new Scene(2);
  await kafka.createTopic(scene.topic);
  scene.enqueue(1); // makes the outbox, with its lanes
  status = openStatus(scene.db);
  scene.onClose(() => status.close());
});
afterEach(() => scene.close());

function startRelay(): Child {
  const given = { db: scene.db, brokers: [broker.address], ...options, sendTimeoutMs: 5_000 };
  const relay = Child.node('test/fault/relay-child.ts', [JSON.stringify(given)]);
  scene.onClose(() => relay.kill());
  return relay;
}

/** Rejects when it ends by itself. */
async function endedOf(relay: Child): Promise<never> {
  await relay.ended;
  throw new Error(`it ended: ${relay.errors.join('\n')}`);
}

const drained = () =>
  until('everything is delivered', () => status.read().pending === 0, { timeoutMs: 60_000 });

/** So often each, in an order that the seed decides. */
function inOrder(chance: Chance, times: number): Stop[] {
  const each = places.flatMap((place) => Array.from({ length: times }, () => place));
  return chance.shuffled(each).map((place) => ({ ...place, skip: chance.between(0, 2) }));
}

describe('a transaction', () => {
  it('whose relay is killed at any request of it is there once, or not', {
    timeout: 1_800_000,
  }, async () => {
    const chance = new Chance('transactions');
    const stops = inOrder(chance, timesEach);
    for (const stop of stops) {
      scene.enqueue(120);
      const met = tap.meet(stop);
      const relay = startRelay();
      await Promise.race([met, endedOf(relay)]);
      await relay.kill();
    }
    const last = startRelay();
    await drained();
    const { examples, ...facts } = await scene.account(kafka.committed);
    await last.kill();
    report('kills in a transaction', { seed: chance.seed, kills: stops.length, ...facts });
    expect({ ...facts, examples }).toMatchObject(once);
  });

  it('whose broker is killed at any request of it is there once, or not', {
    timeout: 1_800_000,
  }, async () => {
    const chance = new Chance('transactions of a killed broker');
    const answered = inOrder(chance, brokerKillsEach).filter(({ when }) => when === 'unanswered');
    const relay = startRelay();
    for (const stop of answered) {
      const met = tap.meet(stop);
      scene.enqueue(120);
      await Promise.race([met, endedOf(relay)]);
      await kafka.container.kill();
      await kafka.container.start();
      await kafka.container.ready();
      await drained();
    }
    const { examples, ...facts } = await scene.account(kafka.committed);
    const endsLost = await endsLostBy(kafka.container);
    report('broker kills in a transaction', {
      ...{ seed: chance.seed, kills: answered.length, ...facts, endsLost },
    });
    expect({ ...facts, examples }).toMatchObject(once);
  });
});

/**
 * kill -9 at every named step of a drain, again and again, on one file.
 *
 * The relay kills itself at the step. `claimed` and `reopened` are before the first batch of a
 * backlog; `settled` and `heldSettled` right after a commit, beside other lanes' batches.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type DrainStep,
  type Operator,
  openOperator,
  openStatus,
  type RelayOptions,
} from '../../src/index.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { killRelayAt, startRelayProcess } from '../../src/testing/relay-handle.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';
import { byForm, Chance, report } from './form.ts';
import { witnessOf } from './witness.ts';

const logSteps: readonly DrainStep[] = ['claimed', 'read', 'checked', 'sent', 'settled'];
const heldSteps: readonly DrainStep[] = ['heldMarked', 'heldSent', 'heldSettled'];
const stepsOf: Readonly<Record<Delivery, readonly DrainStep[]>> = {
  'at-least-once': [...logSteps, ...heldSteps],
  'exactly-once': ['reopened', 'setAside', ...logSteps, ...heldSteps],
};
const killsPerStep = byForm({ short: 1, full: 20 });
const lanes = 2;
const batchEvents = 20;

let kafka: KafkaBroker;
let scene: Scene;
let operator: Operator;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());
beforeEach(async () => {
  scene = new Scene(lanes);
  await kafka.createTopic(scene.topic);
  await kafka.createTopic(asideOf(scene));
  scene.enqueue(1);
  operator = openOperator(scene.db);
  scene.onClose(() => operator.close());
});
afterEach(() => scene.close());

const asideOf = ({ topic }: Scene) => `${topic}-aside`;

function optionsOf(delivery: Delivery): RelayOptions {
  const retry: RelayOptions['retry'] = { retries: 5, delayMs: 100 };
  const how = { delivery, createTopics: 'never', batchEvents, retry } as const;
  return { db: scene.db, brokers: [kafka.address], ...how };
}

/** One relay that ends at the step, with something under way. */
async function killAt(step: DrainStep, delivery: Delivery, nth: number): Promise<void> {
  const topic = asideOf(scene);
  const who = { actor: 'test', reason: 'to set events aside' };
  const status = openStatus(scene.db);
  try {
    operator.pause({ topic }, who);
    for (let round = 0; round < 5; round += 1) {
      scene.enqueue(12);
      scene.enqueue(8, { topic });
    }
    const killed = killRelayAt(step, optionsOf(delivery), { nth });
    killed.catch(() => {}); // waited for below
    if (heldSteps.includes(step)) {
      await until('events are set aside', () => status.read().pending === 0);
      operator.resume({ topic }, who);
    }
    await killed;
    operator.resume({ topic }, who);
  } finally {
    status.close();
  }
}

async function drain(delivery: Delivery): Promise<void> {
  const relay = await startRelayProcess(optionsOf(delivery));
  const status = openStatus(scene.db);
  try {
    const isDone = () => status.read().pending === 0 && status.read().held === 0;
    await until('everything is delivered', isDone, { timeoutMs: 60_000 });
  } finally {
    status.close();
    await relay.stop();
  }
}

describe('a relay that is killed at every step, again and again', () => {
  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'loses and reorders nothing: %s',
    { timeout: 1_800_000 },
    async (delivery) => {
      const chance = new Chance(`kills ${delivery}`);
      const steps = stepsOf[delivery];
      const counts = new Map(steps.map((step) => [step, 0]));
      const todo = chance.shuffled(
        steps.flatMap((step) => Array.from({ length: killsPerStep }, () => step)),
      );
      for (const step of todo) {
        // The others may come once only in the few batches of a round.
        const nth = logSteps.includes(step) && step !== 'claimed' ? chance.between(1, 3) : 1;
        await killAt(step, delivery, nth);
        counts.set(step, (counts.get(step) ?? 0) + 1);
      }
      await drain(delivery);
      const findings = await scene.account(witnessOf(kafka, delivery), 60_000, [
        scene.topic,
        asideOf(scene),
      ]);
      const { examples, ...facts } = findings;
      report('kills', { delivery, seed: chance.seed, steps: Object.fromEntries(counts), ...facts });
      expect(findings).toMatchObject(allDelivered);
      if (delivery === 'exactly-once') expect(findings).toMatchObject({ duplicated: 0 });
    },
  );
});

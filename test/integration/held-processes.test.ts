/** A relay process that is killed while it sends what was set aside. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openStatus, type RelayOptions } from '../../src/index.ts';
import { Child } from '../support/child.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

const batchEvents = 50;
const lanes = 4;

let kafka: KafkaBroker;
let scene: Scene;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());
beforeEach(() => {
  scene = new Scene(lanes);
});
afterEach(() => scene.close());

function startRelay(options: { killAt?: string; killOn?: number } = {}): Child {
  const retry: RelayOptions['retry'] = { retries: 5, delayMs: 1_000 };
  const base = { db: scene.db, brokers: [kafka.address], createTopics: 'never', batchEvents };
  const given = JSON.stringify({ ...base, retry, ...options });
  const child = Child.node('test/support/relay-child.ts', [given]);
  scene.onClose(() => child.kill());
  return child;
}

it.each(['heldMarked', 'heldSent', 'heldSettled'])(
  'loses and reorders nothing when it is killed at %s',
  async (killAt) => {
    scene.enqueue(1_000);
    const first = startRelay();
    const status = openStatus(scene.db);
    scene.onClose(() => status.close());
    await until('everything is set aside', () => status.read().held === 1_000);
    await first.kill();
    await kafka.createTopic(scene.topic);
    // The third time: in the middle of what an ended stop has set aside.
    const killed = startRelay({ killAt, killOn: 3 * lanes });
    expect((await killed.ended).signal).toBe('SIGKILL');
    scene.enqueue(200);
    startRelay();
    await until('all is delivered', () => status.read().delivered >= 1_200);
    await until('nothing is held', () => status.read().held === 0);
    const account = await scene.account(kafka);
    expect(account).toMatchObject({ ...allDelivered, delivered: 1_200 });
    expect(account.duplicated).toBeLessThanOrEqual(lanes * batchEvents);
  },
);

/** A relay process that is killed while it sends what was set aside. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openStatus, type RelayOptions } from '../../src/index.ts';
import {
  killRelayAt,
  type RelayProcess,
  startRelayProcess,
} from '../../src/testing/relay-handle.ts';
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

function relayOptions(): RelayOptions {
  const retry: RelayOptions['retry'] = { retries: 5, delayMs: 1_000 };
  const base = { db: scene.db, brokers: [kafka.address], createTopics: 'never' as const };
  return { ...base, batchEvents, retry };
}

async function startRelay(): Promise<RelayProcess> {
  const relay = await startRelayProcess(relayOptions());
  scene.onClose(() => relay.kill());
  return relay;
}

it.each(['heldMarked', 'heldSent', 'heldSettled'] as const)(
  'loses and reorders nothing when it is killed at %s',
  async (killAt) => {
    scene.enqueue(1_000);
    const first = await startRelay();
    const status = openStatus(scene.db);
    scene.onClose(() => status.close());
    await until('everything is set aside', () => status.read().held === 1_000);
    await first.kill();
    await kafka.createTopic(scene.topic);
    // The third time: in the middle of what an ended stop has set aside.
    const killed = await killRelayAt(killAt, relayOptions(), { nth: 3 * lanes });
    expect((await killed.relay.ended).signal).toBe('SIGKILL');
    scene.enqueue(200);
    await startRelay();
    await until('all is delivered', () => status.read().delivered >= 1_200);
    await until('nothing is held', () => status.read().held === 0);
    const account = await scene.account(kafka);
    expect(account).toMatchObject({ ...allDelivered, delivered: 1_200 });
    expect(account.duplicated).toBeLessThanOrEqual(lanes * batchEvents);
  },
);

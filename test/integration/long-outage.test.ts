/** Kafka away for two minutes, with retries and a delay that would be used up in half a second. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KafkaBroker } from '../support/kafka.ts';
import { TopicRights } from '../support/rights.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

const outageMs = 120_000;

let kafka: KafkaBroker;
let scene: Scene;

beforeAll(async () => {
  scene = new Scene();
  kafka = await KafkaBroker.start();
});
afterAll(async () => {
  await scene?.close();
  await kafka?.stop();
});

it('costs no event an attempt', { timeout: 240_000 }, async () => {
  await kafka.createTopic(scene.topic, 3, { 'max.message.bytes': '2000' });
  const retry = { retries: 3, delayMs: 100 };
  const relay = scene.relay(kafka.address, { retry });
  scene.enqueue(50);
  // Refused, and patient enough to be refused no second time before the outage.
  const patient = { topic: scene.topic, key: 'big', retries: 3, delayMs: 5_000 };
  scene.outbox.enqueue({ ...patient, value: 'x'.repeat(9_000) });
  const attempts: number[] = [];
  relay.on('refused', (told) => attempts.push(told.attempts));
  await relay.start();
  await until('one is refused, the others are through', () => {
    return attempts.length === 1 && relay.status().delivered === 50;
  });
  await kafka.container.kill();
  const startedMs = performance.now();
  scene.enqueue(500);
  await until('the outage has lasted', () => performance.now() - startedMs >= outageMs, {
    timeoutMs: outageMs + 10_000,
    everyMs: 500,
  });
  expect(relay.status()).toMatchObject({ pending: 500, held: 1, circuit: 'open' });
  expect(relay.metrics().failuresTotal['outage']).toBeGreaterThan(retry.retries + 1);
  expect(attempts).toEqual([1]);
  await kafka.container.start();
  await scene.drained(relay);
  expect(relay.metrics().deadTotal).toBe(0);
  const rights = await TopicRights.connect(kafka.address);
  await rights.configure(scene.topic, { 'max.message.bytes': '20000' });
  await rights.close();
  await until('nothing is held', () => relay.status().held === 0);
  expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, unissued: 1 });
  // The one that is not the scene's own: the big one.
});

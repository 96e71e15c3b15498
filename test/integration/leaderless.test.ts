/** One partition of a topic without a leader, in a cluster of three brokers. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Consumed, consumeFrom } from '../support/kafka.ts';
import { KafkaPair } from '../support/kafka-pair.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

let kafka: KafkaPair;
let scene: Scene;

beforeAll(async () => {
  scene = new Scene();
  kafka = await KafkaPair.start({ KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1' }, 3);
});
afterAll(async () => {
  await scene?.close();
  await kafka?.stop();
});

it('holds up nobody else’s events, and ends by itself when the leader is back', async () => {
  await kafka.createSpread(scene.topic, [[1], [2], [3]]);
  const retry = { retries: 3, delayMs: 600_000 }; // nothing here may wait for it
  const relay = scene.relay(kafka.address, { retry, createTopics: 'never' });
  const circuit: string[] = [];
  relay.on('circuit', ({ state }) => circuit.push(state));
  const stopped = new Set<string>();
  relay.on('topicStopped', ({ topic, partition }) => stopped.add(`${topic}[${partition}]`));
  scene.enqueue(60);
  await relay.start();
  await scene.drained(relay);
  await kafka.killSecond();
  scene.enqueue(600, { keys: 60 });
  const { held } = await until('all that can go has gone', () => {
    const status = relay.status();
    return status.pending === 0 ? status : null;
  });
  expect(held).toBeGreaterThan(0);
  expect(held).toBeLessThan(400);
  expect(relay.status().delivered).toBe(660 - held);
  expect([...stopped]).toEqual([`${scene.topic}[1]`]);
  scene.enqueue(60, { keys: 60 });
  await until('what comes later goes or is held', () => relay.status().pending === 0);
  expect(circuit).toEqual([]);
  await kafka.startSecond();
  await until('nothing is held', () => relay.status().held === 0, { timeoutMs: 60_000 });
  const seen = (records: readonly Consumed[]) =>
    new Set(records.map(({ headers }) => headers['outbox-event-id'])).size === 720;
  const records = await consumeFrom(kafka.address, scene.topic, seen);
  expect(scene.check(records)).toMatchObject(allDelivered);
});

/** One partition without a leader, or with too few replicas, in a cluster of three brokers. */
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
/** So many events, repeats apart. */
const seen = (count: number) => (records: readonly Consumed[]) =>
  new Set(records.map(({ headers }) => headers['outbox-event-id'])).size === count;

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
  const records = await consumeFrom(kafka.address, scene.topic, seen(720));
  expect(scene.check(records)).toMatchObject(allDelivered);
});

it('is sent with acks=all: one replica of two that are wanted takes nothing', async () => {
  const pair = new Scene(1);
  scene.onClose(() => pair.close());
  await kafka.createTopic(pair.topic, [1, 2], { 'min.insync.replicas': 2 });
  const retry = { retries: 3, delayMs: 600_000 };
  const relay = pair.relay(kafka.address, { retry, createTopics: 'never' });
  const stopped: unknown[] = [];
  relay.on('topicStopped', (stop) => stopped.push(stop));
  pair.enqueue(20);
  await relay.start();
  await until('both are in sync', () => relay.status().delivered === 20, { timeoutMs: 60_000 });
  await kafka.killSecond();
  stopped.length = 0;
  pair.enqueue(20);
  await until('they are held', () => relay.status().pending === 0);
  expect(relay.status()).toMatchObject({ delivered: 20, held: 20 });
  // Kafka says so to acks=all alone: with less the first broker would have taken them.
  expect(stopped).toMatchObject([{ topic: pair.topic, code: 'NOT_ENOUGH_REPLICAS' }]);
  await kafka.startSecond();
  await until('nothing is held', () => relay.status().held === 0, { timeoutMs: 60_000 });
  const records = await consumeFrom(kafka.address, pair.topic, seen(40));
  expect(pair.check(records)).toMatchObject(allDelivered);
});

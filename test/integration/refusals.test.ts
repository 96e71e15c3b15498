/** The table of outcomes against a real Kafka that refuses: records, topics, users, partitions. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Relay } from '../../src/index.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { TopicRights } from '../support/rights.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

let kafka: KafkaBroker;
let rights: TopicRights;
let scene: Scene;

beforeAll(async () => {
  kafka = await KafkaBroker.start({
    env: {
      KAFKA_AUTHORIZER_CLASS_NAME: 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: 'true',
    },
  });
  rights = await TopicRights.connect(kafka.address);
});
afterAll(async () => {
  await rights?.close();
  await kafka?.stop();
});
beforeEach(() => {
  scene = new Scene();
});
afterEach(async () => {
  await scene.close();
});

const big = 'x'.repeat(9_000);
const heldOf = (relay: Relay) => relay.status().held;
const deadOf = (relay: Relay) => relay.metrics().deadTotal;

/** What was refused, as it is told. */
function refusalsOf(relay: Relay): { seq: number; attempts: number; dead: boolean }[] {
  const told: { seq: number; attempts: number; dead: boolean }[] = [];
  relay.on('refused', ({ seq, attempts, dead }) => told.push({ seq, attempts, dead }));
  return told;
}

describe('a relay and a Kafka that says no', () => {
  it('holds a record that is too large, and lets everything else through', async () => {
    await kafka.createTopic(scene.topic, 3, { 'max.message.bytes': '2000' });
    const retry = { retries: 2, delayMs: 200 };
    const relay = scene.relay(kafka.address, { retry, batchPartitionBytes: 1_500 });
    const told = refusalsOf(relay);
    scene.enqueue(100);
    const { seq } = scene.outbox.enqueue({ topic: scene.topic, key: 'big', value: big });
    scene.outbox.enqueue({ topic: scene.topic, key: 'big', value: 'behind it' });
    scene.enqueue(100);
    await relay.start();
    await scene.drained(relay);
    await until('it is dead', () => deadOf(relay) === 1);
    expect(await scene.account(kafka)).toMatchObject(allDelivered);
    expect(told).toEqual([
      { seq, attempts: 1, dead: false },
      { seq, attempts: 2, dead: false },
      { seq, attempts: 3, dead: true },
    ]);
    expect(relay.status()).toMatchObject({ held: 2, pending: 0, delivered: 200 });
    expect(relay.status().lanes.every(({ failure }) => failure === null)).toBe(true);
  });

  it('sends it, and what waits behind it, when the topic allows more', async () => {
    await kafka.createTopic(scene.topic, 3, { 'max.message.bytes': '2000' });
    const relay = scene.relay(kafka.address, { retry: { retries: 600, delayMs: 500 } });
    scene.outbox.enqueue({ topic: scene.topic, key: 'big', value: big });
    for (const value of ['2', '3']) {
      scene.outbox.enqueue({ topic: scene.topic, key: 'big', value });
    }
    await relay.start();
    await until('all of the key is held', () => heldOf(relay) === 3);
    await rights.configure(scene.topic, { 'max.message.bytes': '20000' });
    await until('nothing is held', () => heldOf(relay) === 0);
    const records = await kafka.consume(scene.topic, 3);
    expect(records.map(({ value }) => value?.length)).toEqual([9_000, 1, 1]);
  });

  it('copies a dead one to the dead-letter topic', async () => {
    await kafka.createTopic(scene.topic, 1, { 'max.message.bytes': '2000' });
    const deadLetter = { topic: `${scene.topic}.dead`, order: 'continue' } as const;
    await kafka.createTopic(deadLetter.topic, 1);
    const retry = { retries: 0, delayMs: 100 };
    const relay = scene.relay(kafka.address, { retry, deadLetter });
    scene.outbox.enqueue({ topic: scene.topic, key: 'big', value: big, headers: { own: 'yes' } });
    scene.outbox.enqueue({ topic: scene.topic, key: 'big', value: 'after it' });
    await relay.start();
    const [copy] = await kafka.consume(deadLetter.topic, 1);
    expect(copy).toMatchObject({ key: 'big', value: Buffer.from(big) });
    expect(copy?.headers).toMatchObject({
      own: 'yes',
      'outbox-seq': '1',
      'outbox-dead-topic': scene.topic,
      'outbox-dead-code': 'MESSAGE_TOO_LARGE',
      'outbox-dead-attempts': '1',
    });
    const [after] = await kafka.consume(scene.topic, 1);
    expect(String(after?.value)).toBe('after it');
    expect(heldOf(relay)).toBe(1);
  });

  it('sets the events of a missing topic aside until it appears', async () => {
    const other = `${scene.topic}-other`;
    await kafka.createTopic(other);
    scene.enqueue(50);
    for (let n = 0; n < 50; n += 1) {
      scene.outbox.enqueue({ topic: other, key: `k${n}`, value: 'flows' });
    }
    const retry = { retries: 3, delayMs: 1_000 };
    const relay = scene.relay(kafka.address, { createTopics: 'never', retry });
    const told = refusalsOf(relay);
    await relay.start();
    await until('the other topic is through', () => relay.status().delivered === 50);
    await until('the rest is held', () => heldOf(relay) === 50);
    scene.enqueue(10);
    await until('what comes is held too', () => heldOf(relay) === 60);
    await kafka.createTopic(scene.topic);
    await until('nothing is held', () => heldOf(relay) === 0);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
    expect(told).toEqual([]);
  });

  it('sets the events of a topic aside that it may not write, until it may', async () => {
    await kafka.createTopic(scene.topic);
    const other = `${scene.topic}-other`;
    const lift = await rights.forbidWrite(scene.topic);
    scene.enqueue(50);
    for (let n = 0; n < 20; n += 1) {
      scene.outbox.enqueue({ topic: other, key: `k${n}`, value: 'flows' });
    }
    const retry = { retries: 3, delayMs: 1_000 };
    const stopped: string[] = [];
    const relay = scene.relay(kafka.address, { retry });
    relay.on('topicStopped', ({ topic, code }) => stopped.push(`${topic} ${code}`));
    await relay.start();
    await until('the other topic is through', () => relay.status().delivered === 20);
    await until('the rest is held', () => heldOf(relay) === 50);
    expect(new Set(stopped)).toEqual(new Set([`${scene.topic} TOPIC_AUTHORIZATION_FAILED`]));
    await lift();
    await until('nothing is held', () => heldOf(relay) === 0);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });
});

/** A Kafka and a Redis of the kit: what a user's suite does with them. */
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  startKafka,
  startRedis,
  type TestKafka,
  type TestRedis,
  withKafkaDown,
  withRedisFlushed,
} from '../../src/testing/index.ts';
import { kafkaImage, redisImage } from '../support/images.ts';

let kafka: TestKafka;
let redis: TestRedis;
let topic: string;

beforeAll(async () => {
  const env = { KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false' };
  [kafka, redis] = await Promise.all([
    startKafka({ image: kafkaImage(), partitions: 2, env }),
    startRedis({ image: redisImage(), args: ['--databases', '3'] }),
  ]);
});
afterAll(async () => {
  await redis?.close();
  await kafka?.close();
});
beforeEach(() => {
  topic = `t-${crypto.randomUUID()}`;
});

/** One that gives up soon; the coordinator of transactions is not there at once. */
function client(retries = 0): Kafka {
  const times = { connectionTimeout: 1_000, requestTimeout: 1_000 };
  const brokers = kafka.brokers;
  return new Kafka({ brokers, ...times, logLevel: logLevel.NOTHING, retry: { retries } });
}

async function answers(): Promise<boolean> {
  const admin = client().admin();
  try {
    await admin.connect();
    await admin.describeCluster();
    return true;
  } catch {
    return false;
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

async function produce(...values: string[]): Promise<void> {
  const producer = client().producer();
  await producer.connect();
  const messages = values.map((value) => ({ key: value, value, partition: 0 }));
  await producer.send({ topic, messages });
  await producer.disconnect();
}

async function values(isolation: 'read_committed' | 'read_uncommitted' = 'read_committed') {
  const records = await kafka.consume(topic, 'end', { isolation });
  return records.map(({ value }) => String(value));
}

describe('withKafkaDown', () => {
  it.each(['kill', 'stop', 'pause'] as const)(
    'takes Kafka away by %s, and back to its address and its data',
    async (how) => {
      await kafka.createTopic(topic);
      await produce('before');
      expect(await answers()).toBe(true);
      const during = await withKafkaDown(kafka, answers, { how });
      expect(during).toBe(false);
      expect(await answers()).toBe(true);
      await produce('after');
      expect(await values()).toEqual(['before', 'after']);
    },
  );

  it('brings Kafka back when the work rejects, and rejects with that', async () => {
    const work = () => Promise.reject(new Error('the test is red'));
    const failing = withKafkaDown(kafka, work, { how: 'pause' });
    await expect(failing).rejects.toThrow('the test is red');
    expect(await answers()).toBe(true);
  });

  it('does not mind who has brought it back, and tells what it cannot take away', async () => {
    const how = 'pause';
    expect(await withKafkaDown(kafka, () => kafka.unpause().then(answers), { how })).toBe(true);
    await kafka.pause();
    await expect(withKafkaDown(kafka, () => 'never', { how })).rejects.toThrow(/paused/);
    expect(await answers()).toBe(true);
  });
});

describe('a test Kafka', () => {
  it('is set up as asked, and makes topics with its number of partitions', async () => {
    await expect(produce('too early')).rejects.toThrow();
    await kafka.createTopic(topic);
    const admin = client().admin();
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.disconnect();
    expect(topics[0]?.partitions).toHaveLength(2);
    expect(await values()).toEqual([]);
  });

  it('is read to its end past markers and aborted records, or with those', async () => {
    await kafka.createTopic(topic, { partitions: 1 });
    const producer = client(20).producer({ transactionalId: topic, idempotent: true });
    await producer.connect();
    for (const [value, end] of [
      ['committed', 'commit'],
      ['aborted', 'abort'],
    ] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value }] });
      await transaction[end]();
    }
    await producer.disconnect();
    expect(await values()).toEqual(['committed']);
    expect(await values('read_uncommitted')).toEqual(['committed', 'aborted']);
  });

  it('is read until there is enough, and says so when there is not', async () => {
    await kafka.createTopic(topic);
    await produce('one', 'two');
    expect(await kafka.consume(topic, 2)).toHaveLength(2);
    const two = await kafka.consume(topic, (records) => records.some(({ key }) => key === 'two'));
    expect(two.map(({ offset }) => offset)).toEqual([0, 1]);
    await expect(kafka.consume(topic, 3, { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'TEST_TIMEOUT',
    });
  });

  it('tells when a record was appended only where that is the broker’s word', async () => {
    await kafka.createTopic(topic);
    await produce('of the writer');
    const [written] = await kafka.consume(topic, 'end');
    expect(written).toMatchObject({ appendedAtMs: null, timestampMs: expect.any(Number) });
    topic = `${topic}-stamped`;
    await kafka.createTopic(topic, { config: { 'message.timestamp.type': 'LogAppendTime' } });
    await produce('of the broker');
    const [stamped] = await kafka.consume(topic, 'end');
    expect(stamped?.appendedAtMs).toBe(stamped?.timestampMs);
  });
});

describe('a test Redis', () => {
  /** Fails at once when Redis does not answer. */
  async function ask<T>(act: (redis: Redis) => Promise<T>): Promise<T> {
    const options = { maxRetriesPerRequest: 0, commandTimeout: 500, retryStrategy: () => null };
    const connection = new Redis(redis.url, options).on('error', () => {});
    try {
      return await act(connection);
    } finally {
      connection.disconnect();
    }
  }

  it('is flushed in all databases before the work, whose value is given', async () => {
    await ask((one) => one.set('a', '1'));
    await ask((one) => one.select(2).then(() => one.set('b', '1')));
    const left = () =>
      ask(async (one) => [await one.dbsize(), await one.select(2), await one.dbsize()]);
    expect(await left()).toEqual([1, 'OK', 1]);
    expect(await withRedisFlushed(redis, left)).toEqual([0, 'OK', 0]);
    await ask((one) => one.set('a', '1'));
    await withRedisFlushed(redis);
    expect(await ask((one) => one.dbsize())).toBe(0);
  });

  it('keeps address and data when it is killed, and answers when it is back', async () => {
    await ask((one) => one.set('kept', 'yes'));
    await redis.stop();
    await expect(ask((one) => one.ping())).rejects.toThrow();
    await redis.start();
    await redis.kill();
    await expect(ask((one) => one.ping())).rejects.toThrow();
    await redis.start();
    expect(await ask((one) => one.get('kept'))).toBe('yes');
    await redis.pause();
    await expect(ask((one) => one.ping())).rejects.toThrow(/timed out/i);
    await redis.unpause();
    expect(await ask((one) => one.ping())).toBe('PONG');
  });

  it('is gone at the end of its block, whatever was done to it; closed twice', async () => {
    let mine: TestRedis;
    {
      await using other = await startRedis({ image: redisImage() });
      mine = other;
      await other.pause();
    }
    await mine.close();
    await expect(mine.start()).rejects.toThrow(/no such container/i);
  });
});

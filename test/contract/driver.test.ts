import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { createKafkaJsDriver } from '../../src/sink/kafkajs/driver.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { type DriverSubject, driverContract } from './driver.suite.ts';

describe('the kafkajs driver', () => {
  let kafka: KafkaBroker;
  let subject: DriverSubject;

  beforeAll(async () => {
    kafka = await KafkaBroker.start();
    const common = { clientId: 'contract', clock: systemClock, brokers: [kafka.address] };
    const createTopics = { partitions: 3, replicationFactor: 1 };
    const nowhere = [`127.0.0.1:${await freePort()}`];
    subject = {
      driver: createKafkaJsDriver({ ...common, createTopics }),
      strict: createKafkaJsDriver({ ...common, createTopics: 'never' }),
      unreachable: createKafkaJsDriver({ ...common, createTopics: 'never', brokers: nowhere }),
      createTopic: (topic, partitions) => kafka.createTopic(topic, partitions),
      written: (topic, count) => kafka.consume(topic, count),
    };
  });

  afterAll(async () => {
    for (const driver of [subject.driver, subject.strict, subject.unreachable]) {
      await driver.close(2_000);
      await driver.close(2_000);
    }
    await kafka.stop();
  });

  driverContract(() => subject);

  it('makes topics as the broker would when that is left to the broker', async () => {
    const options = { clientId: 'contract', clock: systemClock, brokers: [kafka.address] };
    const driver = createKafkaJsDriver({ ...options, createTopics: 'broker' });
    const answer = await driver.leaders(['left-to-the-broker'], 10_000);
    await driver.close(2_000);
    const topics = 'topics' in answer ? answer.topics : new Map();
    expect(topics.get('left-to-the-broker')).toMatchObject({ partitions: 3, leaderless: [] });
  });
});

describe('the driver in memory', () => {
  const [driver, unreachable] = [new MemoryDriver(), new MemoryDriver()];
  const strict = new MemoryDriver({ createPartitions: null });
  unreachable.goAway();

  driverContract(() => ({
    driver,
    strict,
    unreachable,
    createTopic: async (topic, partitions) => {
      driver.createTopic(topic, partitions);
      strict.createTopic(topic, partitions);
    },
    written: async (topic) =>
      driver.recordsOf(topic).map(({ partition, key, value }) => {
        return { partition, key: key?.toString() ?? null, value };
      }),
  }));
});

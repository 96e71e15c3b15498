import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { createKafkaJsDriver } from '../../src/sink/kafkajs/driver.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import { plaintext } from '../../src/sink/security.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';
import { type DriverSubject, driverContract } from './driver.suite.ts';
import { transactionContract } from './transactions.suite.ts';

describe('the kafkajs driver', () => {
  let kafka: KafkaBroker;
  let subject: DriverSubject;

  beforeAll(async () => {
    kafka = await KafkaBroker.start();
    const common = {
      clientId: 'contract',
      clock: systemClock,
      security: plaintext,
      brokers: [kafka.address],
    };
    const createTopics = { partitions: 3, replicationFactor: 1 };
    const nowhere = [`127.0.0.1:${await freePort()}`];
    subject = {
      driver: createKafkaJsDriver({ ...common, createTopics }),
      strict: createKafkaJsDriver({ ...common, createTopics: 'never' }),
      unreachable: createKafkaJsDriver({ ...common, createTopics: 'never', brokers: nowhere }),
      createTopic: (topic, partitions) => kafka.createTopic(topic, partitions),
      written: async (topic, count) => {
        const records = await kafka.consume(topic, count);
        return records.map((record) => ({ ...record, headers: record.headerPairs }));
      },
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
  transactionContract(() => subject);

  it('opens no transactions once it is closed', async () => {
    const options = { clientId: 'contract', clock: systemClock, brokers: [kafka.address] };
    const driver = createKafkaJsDriver({ ...options, createTopics: 'never', security: plaintext });
    await driver.close(2_000);
    const names = { transactionalId: 'closed', group: 'closed', slots: 1, ownSlots: [0] };
    const sender = driver.createTransactionalSender?.('lane-0', names);
    expect(await sender?.open(10_000)).toMatchObject({ kind: 'outage', code: 'DRIVER_CLOSED' });
  });

  it('throws its connection away after a failed send', async () => {
    const proxy = await TcpProxy.listen(await freePort());
    const broker = await KafkaBroker.start({ advertised: proxy.address });
    proxy.forwardTo(broker.container.port);
    const options = {
      clientId: 'contract',
      clock: systemClock,
      security: plaintext,
      brokers: [proxy.address],
    };
    const driver = createKafkaJsDriver({ ...options, createTopics: 'never' });
    try {
      await broker.createTopic('t', 1);
      const sender = driver.createSender('lane-0');
      const send = (value: Buffer) => {
        const record = { topic: 't', partition: 0, key: null, headers: [], timestampMs: 1 };
        return sender.send([{ ...record, value }], 10_000);
      };
      expect(await send(Buffer.from('one'))).toMatchObject({ kind: 'acked' });
      const before = proxy.accepted;
      expect(await send(Buffer.from('two'))).toMatchObject({ kind: 'acked' });
      expect(proxy.accepted).toBe(before);
      expect(await send(Buffer.alloc(2_000_000))).toMatchObject({ kind: 'refused-record' });
      expect(await send(Buffer.from('three'))).toMatchObject({ kind: 'acked' });
      expect(proxy.accepted).toBeGreaterThan(before);
    } finally {
      await driver.close(2_000);
      await broker.stop();
      await proxy.close();
    }
  });

  it('throws its connection away when the client itself has sent a batch again', async () => {
    const proxy = await TcpProxy.listen(await freePort());
    const broker = await KafkaBroker.start({ advertised: proxy.address });
    proxy.forwardTo(broker.container.port);
    const options = { clientId: 'contract', clock: systemClock, brokers: [proxy.address] };
    const driver = createKafkaJsDriver({ ...options, createTopics: 'never', security: plaintext });
    try {
      await broker.createTopic('t', 1);
      const sender = driver.createSender('lane-0');
      const record = { topic: 't', partition: 0, key: null, headers: [], timestampMs: 1 };
      const send = (text: string) => sender.send([{ ...record, value: Buffer.from(text) }], 10_000);
      expect(await send('one')).toMatchObject({ kind: 'acked' });
      proxy.reset();
      // The client connects again and sends again; nobody above it would know.
      expect(await send('two')).toMatchObject({ kind: 'acked' });
      const before = proxy.accepted;
      expect(await send('three')).toMatchObject({ kind: 'acked' });
      expect(proxy.accepted).toBeGreaterThan(before);
      expect(await broker.consume('t', 3)).toHaveLength(3);
    } finally {
      await driver.close(2_000);
      await broker.stop();
      await proxy.close();
    }
  });

  it('makes topics as the broker would when that is left to the broker', async () => {
    const options = {
      clientId: 'contract',
      clock: systemClock,
      security: plaintext,
      brokers: [kafka.address],
    };
    const driver = createKafkaJsDriver({ ...options, createTopics: 'broker' });
    const answer = await driver.prepare(['left-to-the-broker'], 10_000);
    await driver.close(2_000);
    const topics = 'topics' in answer ? answer.topics : new Map();
    expect(topics.get('left-to-the-broker')).toMatchObject({ partitions: 3, leaderless: [] });
  });
});

describe('a kafkajs driver that was closed', () => {
  it('calls every question and send an outage, and connects to nobody', async () => {
    const proxy = await TcpProxy.listen(await freePort());
    proxy.swallow();
    const options = { clientId: 'contract', clock: systemClock, brokers: [proxy.address] };
    const driver = createKafkaJsDriver({ ...options, createTopics: 'broker', security: plaintext });
    try {
      const early = driver.createSender('lane-0');
      await driver.close(1_000);
      const record = { topic: 't', partition: 0, key: null, value: null, headers: [] };
      const batch = [{ ...record, timestampMs: 1 }];
      const closed = { kind: 'outage', code: 'DRIVER_CLOSED' };
      expect(await driver.leaders([], 1_000)).toMatchObject(closed);
      expect(await driver.leaders(['t'], 1_000)).toMatchObject(closed);
      expect(await driver.prepare(['t'], 1_000)).toMatchObject(closed);
      expect(await early.send(batch, 1_000)).toMatchObject(closed);
      expect(await driver.createSender('lane-1').send(batch, 1_000)).toMatchObject(closed);
      expect(proxy.accepted).toBe(0);
    } finally {
      await driver.close(1_000);
      await proxy.close();
    }
  });
});

describe('the driver in memory', () => {
  const [driver, unreachable] = [new MemoryDriver(), new MemoryDriver()];
  const strict = new MemoryDriver({ createPartitions: null });
  unreachable.goAway();

  const subject: DriverSubject = {
    driver,
    strict,
    unreachable,
    createTopic: async (topic, partitions) => {
      driver.createTopic(topic, partitions);
      strict.createTopic(topic, partitions);
    },
    written: async (topic) =>
      driver.recordsOf(topic).map(({ partition, key, value, headers }) => {
        const pairs = headers.map(([name, bytes]) => [name, String(bytes)] as const);
        return { partition, key: key?.toString() ?? null, value, headers: pairs };
      }),
  };
  driverContract(() => subject);
  transactionContract(() => subject);
});

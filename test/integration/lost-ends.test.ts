/** A killed broker may lose the end of a transaction; what the sender makes of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Driver, SinkRecord, TransactionalSender } from '../../src/sink/driver.ts';
import { createKafkaJsDriver } from '../../src/sink/kafkajs/driver.ts';
import { plaintext } from '../../src/sink/security.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { KafkaTap } from '../support/kafka-tap.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { noteAsComplete } from '../support/transaction-state.ts';
import { until } from '../support/wait.ts';

const deadlineMs = 20_000;
const tap = new KafkaTap();
let network: TcpProxy;
let kafka: KafkaBroker;
let driver: Driver;
let topic: string;
let transactionalId: string;
let sender: TransactionalSender;

beforeAll(async () => {
  network = await TcpProxy.listen(await freePort(), tap.join);
  kafka = await KafkaBroker.start({ advertised: network.address });
  network.forwardTo(kafka.container.port);
  const options = { clientId: 'lost', clock: systemClock, security: plaintext };
  driver = createKafkaJsDriver({ ...options, createTopics: 'never', brokers: [network.address] });
});
afterAll(async () => {
  await driver?.close(2_000);
  await kafka?.stop();
  await network?.close();
});
beforeEach(async () => {
  topic = `lost-${randomUUID()}`;
  await kafka.createTopic(topic, 2);
  transactionalId = randomUUID();
  sender = newSender();
});

function newSender(): TransactionalSender {
  const group = `outbox-relay.${transactionalId}.1`;
  const names = { transactionalId, group, slots: 2, ownSlots: [0, 1] };
  const made = driver.createTransactionalSender?.('lane-0', names);
  if (made === undefined) throw new Error('this driver has no transactions');
  return made;
}

async function numberInKafka(): Promise<number | undefined> {
  let found: number | undefined;
  const isOpened = async () => {
    const opened = await sender.open(deadlineMs);
    if (opened.kind === 'opened') found = opened.watermarks.get(0)?.number;
    return opened.kind === 'opened';
  };
  await until('it is open', isOpened, { timeoutMs: 60_000 });
  return found;
}

function inBothPartitions(text: string, number: number, bytes: Buffer = Buffer.from(text)) {
  const records = [0, 1].map((partition): SinkRecord => {
    return { topic, partition, key: null, value: bytes, headers: [], timestampMs: 1 };
  });
  return [records, [{ slot: 0, number, note: text }]] as const;
}

function send(text: string, number: number, bytes?: Buffer) {
  return sender.send(...inBothPartitions(text, number, bytes), deadlineMs);
}

/** The broker is killed, and has lost the end of what is under way. */
async function loseEnd(): Promise<void> {
  network.reset();
  await noteAsComplete(network.address, transactionalId);
  await kafka.container.kill();
  await kafka.container.start();
  await kafka.container.ready();
}

/** In each of the partitions. */
async function committed(): Promise<string[][]> {
  const records = await kafka.committed.consume(topic, 'end');
  return [0, 1].map((partition) => {
    return records.filter((each) => each.partition === partition).map(({ value }) => String(value));
  });
}

describe('a transaction whose end Kafka has lost', () => {
  it('comes to nothing, when nobody was told of its commit', async () => {
    await numberInKafka();
    await send('first', 1);
    const met = tap.meet({ request: 'EndTxn', when: 'unsent', skip: 0 });
    const sending = send('second', 2);
    await met;
    await loseEnd();
    expect(await sending).toMatchObject({ kind: 'unknown' });
    expect(sender.inDoubt).toBe(true);
    expect(await numberInKafka()).toBe(1);
    expect(await send('second', 2)).toMatchObject({ kind: 'acked' });
    await sender.close();
    expect(await committed()).toEqual([
      ['first', 'second'],
      ['first', 'second'],
    ]);
  });

  it('is sent once more, when Kafka had acknowledged it', async () => {
    await numberInKafka();
    await send('first', 1);
    const met = tap.meet({ request: 'EndTxn', when: 'forged', skip: 0 });
    expect(await send('second', 2)).toMatchObject({ kind: 'acked' });
    await met;
    expect(sender.mayHaveLost).toBe(false);
    await loseEnd();
    await until('the sender knows', () => sender.mayHaveLost);
    expect(await send('third', 3)).toMatchObject({ kind: 'outage', code: 'ECONNRESET' });
    expect(await numberInKafka()).toBe(2);
    const refused = await send('too large', 3, Buffer.alloc(2_000_000));
    expect(refused).toMatchObject({ kind: 'refused-record' }); // the next opening aborts it
    expect(await numberInKafka()).toBe(2);
    await send('third', 3);
    await sender.close();
    expect(await committed()).toEqual([
      ['first', 'second', 'third'],
      ['first', 'second', 'third'],
    ]);
  });

  it('is sent once more by a relay that has nothing else to do', async () => {
    const scene = new Scene(1);
    try {
      scene.enqueue(1, { topic });
      const relay = scene.relay(network.address, {
        delivery: 'exactly-once',
        createTopics: 'never',
      });
      await relay.start();
      await scene.drained(relay);
      const met = tap.meet({ request: 'EndTxn', when: 'forged', skip: 0 });
      scene.enqueue(3, { topic });
      await met;
      await scene.drained(relay);
      transactionalId = `${relay.status().outboxId}-0`;
      await loseEnd();
      const isThere = async () => (await committed()).flat().length === 4;
      await until('all four can be read', isThere, { timeoutMs: 60_000 });
      const found = await scene.account(kafka.committed, 1_000, [topic]);
      expect(found).toMatchObject({ ...allDelivered, duplicated: 0 });
    } finally {
      await scene.close();
    }
  });
});

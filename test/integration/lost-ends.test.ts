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
  const id = randomUUID();
  transactionalId = `${id}-0`;
  const names = { transactionalId, group: `outbox-relay.${id}.1`, slots: 2, ownSlots: [0, 1] };
  const made = driver.createTransactionalSender?.('lane-0', names);
  if (made === undefined) throw new Error('this driver has no transactions');
  sender = made;
});

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

/** In both partitions. */
function send(text: string, number: number, bytes?: Buffer) {
  const records = [0, 1].map((partition): SinkRecord => {
    const value = bytes ?? Buffer.from(text);
    return { topic, partition, key: null, value, headers: [], timestampMs: 1 };
  });
  return sender.send(records, [{ slot: 0, number, note: text }], deadlineMs);
}

/** The broker is killed, and has lost the end of what is under way. */
async function loseEnd(): Promise<void> {
  network.reset();
  await noteAsComplete(network.address, transactionalId);
  await kafka.container.kill();
  await kafka.container.start();
  await kafka.container.ready();
}

async function committed(partition: number): Promise<string[]> {
  const records = await kafka.committed.consume(topic, 'end');
  return records.filter((each) => each.partition === partition).map(({ value }) => String(value));
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
    expect(await committed(0)).toEqual(['first', 'second']);
    expect(await committed(1)).toEqual(['first', 'second']);
  });

  it('is sent once more, when Kafka had acknowledged it', async () => {
    await numberInKafka();
    await send('first', 1);
    const met = tap.meet({ request: 'EndTxn', when: 'forged', skip: 0 });
    expect(await send('second', 2)).toMatchObject({ kind: 'acked' });
    await met;
    expect(sender.isCut).toBe(false);
    await loseEnd();
    await until('the sender knows', () => sender.isCut);
    expect(await numberInKafka()).toBe(2);
    const refused = await send('too large', 3, Buffer.alloc(2_000_000));
    expect(refused).toMatchObject({ kind: 'refused-record' }); // the next opening aborts it
    expect(await numberInKafka()).toBe(2);
    await send('third', 3);
    await sender.close();
    expect(await committed(0)).toEqual(['first', 'second', 'third']);
    expect(await committed(1)).toEqual(['first', 'second', 'third']);
  });
});

/** A killed broker may lose the ends of transactions; what senders and a relay make of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type {
  Driver,
  SendOutcome,
  SinkRecord,
  TransactionalSender,
} from '../../src/sink/driver.ts';
import { createKafkaJsDriver } from '../../src/sink/kafkajs/driver.ts';
import { plaintext } from '../../src/sink/security.ts';
import type { KafkaBroker } from '../support/kafka.ts';
import type { KafkaTap } from '../support/kafka-tap.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { TappedKafka } from '../support/tapped-kafka.ts';
import { noteAsComplete } from '../support/transaction-state.ts';
import { until } from '../support/wait.ts';

const deadlineMs = 20_000;
let broker: TappedKafka;
let kafka: KafkaBroker;
let tap: KafkaTap;
let driver: Driver;

beforeAll(async () => {
  broker = await TappedKafka.start();
  ({ kafka, tap } = broker);
  const options = { clientId: 'lost', clock: systemClock, security: plaintext };
  driver = createKafkaJsDriver({ ...options, createTopics: 'never', brokers: [broker.address] });
});
afterAll(async () => {
  await driver?.close(2_000);
  await broker?.stop();
});

/** A sender, with a topic of its own. */
class Subject {
  readonly topic = `lost-${randomUUID()}`;
  readonly transactionalId = randomUUID();
  readonly sender: TransactionalSender;

  constructor() {
    const { transactionalId } = this;
    const group = `outbox-relay.${transactionalId}.1`;
    const names = { transactionalId, group, slots: 2, ownSlots: [0, 1] };
    const made = driver.createTransactionalSender?.('lane-0', names);
    if (made === undefined) throw new Error('this driver has no transactions');
    this.sender = made;
  }

  /** Opened, and something is committed. */
  static async ready(): Promise<Subject> {
    const subject = new Subject();
    await kafka.createTopic(subject.topic, 2);
    await subject.numberInKafka();
    expect(await subject.send('first', 1)).toMatchObject({ kind: 'acked' });
    return subject;
  }

  async numberInKafka(): Promise<number | undefined> {
    let found: number | undefined;
    const isOpened = async () => {
      const opened = await this.sender.open(deadlineMs);
      if (opened.kind === 'opened') found = opened.watermarks.get(0)?.number;
      return opened.kind === 'opened';
    };
    await until('it is open', isOpened, { timeoutMs: 60_000 });
    return found;
  }

  /** In both partitions. */
  send(text: string, number: number, value: Buffer = Buffer.from(text)): Promise<SendOutcome> {
    const records = [0, 1].map((partition): SinkRecord => {
      return { topic: this.topic, partition, key: null, value, headers: [], timestampMs: 1 };
    });
    return this.sender.send(records, [{ slot: 0, number, note: text }], deadlineMs);
  }
}

/** In each of the first two partitions. */
async function committed(topic: string): Promise<string[][]> {
  const records = await kafka.committed.consume(topic, 'end');
  return [0, 1].map((partition) => {
    return records.filter((each) => each.partition === partition).map(({ value }) => String(value));
  });
}

describe('a transaction whose end Kafka has lost', () => {
  let unheard: Subject;
  let sending: Promise<SendOutcome>;
  let acked: Subject;
  let scene: Scene;
  let scenesTopic: string;

  beforeAll(async () => {
    [unheard, acked] = [await Subject.ready(), await Subject.ready()];
    scene = new Scene(1);
    scenesTopic = scene.topic;
    await kafka.createTopic(scenesTopic);
    scene.enqueue(1);
    const how = { delivery: 'exactly-once', createTopics: 'never' } as const;
    const relay = scene.relay(broker.address, how);
    await relay.start();
    await scene.drained(relay);

    const unsent = tap.meet({ request: 'EndTxn', when: 'unsent', skip: 0 });
    sending = unheard.send('second', 2);
    await unsent;
    const forged = tap.meet({ request: 'EndTxn', when: 'forged', skip: 0 });
    expect(await acked.send('second', 2)).toMatchObject({ kind: 'acked' });
    await forged;
    const relays = tap.meet({ request: 'EndTxn', when: 'forged', skip: 0 });
    scene.enqueue(3);
    await relays;
    await scene.drained(relay);
    expect(acked.sender.mayHaveLost).toBe(false);
    const ids = [unheard.transactionalId, acked.transactionalId, `${relay.status().outboxId}-0`];
    await noteAsComplete(broker.address, ids);
    await kafka.container.kill();
    await kafka.container.start();
    await kafka.container.ready();
  });
  afterAll(() => scene?.close());

  it('comes to nothing, when nobody was told of its commit', async () => {
    expect(await sending).toMatchObject({ kind: 'unknown' });
    expect(unheard.sender.inDoubt).toBe(true);
    expect(await unheard.numberInKafka()).toBe(1);
    expect(await unheard.send('second', 2)).toMatchObject({ kind: 'acked' });
    await unheard.sender.close();
    expect(await committed(unheard.topic)).toEqual([
      ['first', 'second'],
      ['first', 'second'],
    ]);
  });

  it('is sent once more, when Kafka had acknowledged it', async () => {
    await until('the sender knows', () => acked.sender.mayHaveLost);
    expect(await acked.send('third', 3)).toMatchObject({ kind: 'outage', code: 'ECONNRESET' });
    expect(await acked.numberInKafka()).toBe(2);
    const refused = await acked.send('too large', 3, Buffer.alloc(2_000_000));
    expect(refused).toMatchObject({ kind: 'refused-record' }); // the next opening aborts it
    expect(await acked.numberInKafka()).toBe(2);
    await acked.send('third', 3);
    await acked.sender.close();
    expect(await committed(acked.topic)).toEqual([
      ['first', 'second', 'third'],
      ['first', 'second', 'third'],
    ]);
  });

  it('is sent once more by a relay that has nothing else to do', async () => {
    const isThere = async () => (await kafka.committed.consume(scenesTopic, 'end')).length >= 4;
    await until('all four can be read', isThere, { timeoutMs: 60_000 });
    const found = await scene.account(kafka.committed);
    expect(found).toMatchObject({ ...allDelivered, duplicated: 0 });
  });
});

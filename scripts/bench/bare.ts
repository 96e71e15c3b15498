/** The bare client beside us: plain kafkajs, used as its documentation shows. */
import { type Admin, type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';
import { partitions, type RawEvent } from './events.ts';

const batchEvents = 1_000;

export class BareKafka {
  readonly #client: Kafka;
  #admin: Admin | null = null;
  readonly #open: { disconnect(): Promise<void> }[] = [];

  constructor(broker: string) {
    this.#client = new Kafka({ brokers: [broker], clientId: 'bench', logLevel: logLevel.NOTHING });
  }

  async ready(deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    for (;;) {
      const admin = this.#client.admin({ retry: { retries: 0 } });
      try {
        await admin.connect();
        await admin.describeCluster();
        this.#admin = admin;
        return;
      } catch (error) {
        if (performance.now() > endMs) throw error;
        await admin.disconnect();
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  get admin(): Admin {
    if (this.#admin === null) throw new Error('Kafka is not ready');
    return this.#admin;
  }

  async createTopic(topic: string, config: Readonly<Record<string, string>> = {}): Promise<void> {
    const entries = Object.entries({ 'file.delete.delay.ms': '1000', ...config });
    const configEntries = entries.map(([name, value]) => ({ name, value }));
    const replicationFactor = 1;
    const spec = { topic, numPartitions: partitions, replicationFactor, configEntries };
    await this.admin.createTopics({ topics: [spec], waitForLeaders: true });
  }

  deleteTopic(topic: string): Promise<void> {
    return this.admin.deleteTopics({ topics: [topic] });
  }

  async count(topic: string): Promise<number> {
    const offsets = await this.admin.fetchTopicOffsets(topic);
    return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  }

  /** Records that a read_committed consumer finds: each is read. */
  async countCommitted(topic: string): Promise<number> {
    const last = crypto.randomUUID();
    const producer = await this.producer();
    const messages = Array.from({ length: partitions }, (_, partition) => {
      return { key: last, value: null, partition };
    });
    await producer.send({ topic, messages });
    const consumer = await this.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
    let count = 0;
    let ended = 0;
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ message }: { message: { key: Buffer | null } }) => {
        if (message.key?.toString() === last) ended += 1;
        else count += 1;
        if (ended === partitions) resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
    await Promise.all([consumer.disconnect(), producer.disconnect()]);
    return count;
  }

  /** With the relay's own promise: acks from all replicas, order kept, no repeat by a retry. */
  async producer(): Promise<Producer> {
    const producer = this.#client.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    this.#open.push(producer);
    return producer;
  }

  async consumer(): Promise<Consumer> {
    const groupId = `bench-${crypto.randomUUID()}`;
    const consumer = this.#client.consumer({ groupId, maxWaitTimeInMs: 100 });
    await consumer.connect();
    this.#open.push(consumer);
    return consumer;
  }

  async close(): Promise<void> {
    for (const one of this.#open) await one.disconnect();
    await this.#admin?.disconnect();
  }
}

/** Sends everything in batches of 1,000, one after the other. */
export async function sendAll(
  producer: Producer,
  topic: string,
  events: Iterable<RawEvent>,
): Promise<void> {
  let messages: RawEvent[] = [];
  const send = async () => {
    await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages }] });
    messages = [];
  };
  for (const event of events) {
    messages.push(event);
    if (messages.length === batchEvents) await send();
  }
  if (messages.length > 0) await send();
}

/**
 * An independent client of Kafka: it shares no code with the relay's own, so that a mistake there
 * cannot hide itself here. That is why kafkajs is imported a second time.
 */
import {
  type Admin,
  type EachMessagePayload,
  type ITopicConfig,
  Kafka,
  type KafkaJSProtocolError,
  logLevel,
} from 'kafkajs';
import { type ConsumedRecord, hashOf } from './checker.ts';
import { until } from './until.ts';

/** A record as {@link TestKafka.consume} reads it; the checker takes it as it is. */
export interface TestRecord extends ConsumedRecord {
  /** `null` for a tombstone. */
  readonly value: Buffer | null;
  /** As text; of a repeated name the last one. */
  readonly headers: Readonly<Record<string, string>>;
  /** All of them, repeated names too. */
  readonly headerPairs: readonly (readonly [string, string])[];
  /** The record's time, milliseconds: the writer's or, with LogAppendTime, the broker's. */
  readonly timestampMs: number;
}

/**
 * When a topic has been read: a number of records, what says that they are all there, or `end`,
 * which is the end that it has when the reading begins, or the first record of a transaction that
 * is open then (Kafka's last stable offset).
 */
export type Enough = number | 'end' | ((records: readonly TestRecord[]) => boolean);

/** How {@link TestKafka.consume} reads. */
export interface ConsumeOptions {
  /**
   * Whether records of open and aborted transactions are left out. kafkajs up to 2.2.4 lets some
   * through when several were aborted in one partition at once. Default: `read_committed`.
   */
  readonly isolation?: 'read_committed' | 'read_uncommitted';
  /** Default: 60,000 ms. */
  readonly timeoutMs?: number;
}

/** How {@link TestKafka.createTopic} makes one. */
export interface TopicOptions {
  /** 1 or more. Default: `partitions` of {@link startKafka}. */
  readonly partitions?: number;
  /** Settings of the topic by Kafka's names. Default: none. */
  readonly config?: Readonly<Record<string, string>>;
}

/** The topic of {@link KafkaClient.probe}. */
const probeTopic = 'outbox-relay.probe';
const produceTimeoutMs = 2_000;
const appendTime = 1;

export class KafkaClient {
  readonly #address: string;
  readonly #kafka: Kafka;

  /** @param address `host:port` */
  constructor(address: string) {
    this.#address = address;
    const retry = { retries: 20, initialRetryTime: 100, maxRetryTime: 500 };
    const clientId = 'independent';
    this.#kafka = new Kafka({ brokers: [address], clientId, logLevel: logLevel.NOTHING, retry });
  }

  async createTopic(topic: string, { partitions = 1, config = {} }: TopicOptions): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      const wanted = { topic, numPartitions: partitions, replicationFactor: 1, configEntries };
      await until(`${topic} is made`, () => tryCreate(admin, wanted));
      await until(`${topic} takes records`, () => serves(admin, topic));
    } finally {
      await admin.disconnect();
    }
  }

  /** Per partition in the order of offsets. */
  async consume(
    topic: string,
    enough: Enough,
    { isolation = 'read_committed', timeoutMs = 60_000 }: ConsumeOptions = {},
  ): Promise<TestRecord[]> {
    const end = enough === 'end' ? await this.#endOf(topic) : null;
    const records: TestRecord[] = [];
    const consumer = this.#kafka.consumer({
      groupId: `test-${crypto.randomUUID()}`,
      maxWaitTimeInMs: 100, // disconnecting waits for the fetch under way
      readUncommitted: isolation === 'read_uncommitted',
    });
    // Markers of transactions are no records, and move the position all the same.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      end?.read(payload.partition, Number(payload.lastOffset) + 1);
    });
    const isEnough = () => {
      if (typeof enough === 'number') return records.length >= enough;
      return typeof enough === 'function' ? enough(records) : end?.isReached() === true;
    };
    const nextOffsets = new Map<number, number>();
    const isNew = (partition: number, offset: number) => {
      if (offset < (nextOffsets.get(partition) ?? 0)) return false;
      nextOffsets.set(partition, offset + 1);
      return true;
    };
    await consumer.connect();
    try {
      await consumer.subscribe({ topic, fromBeginning: true });
      const eachMessage = async (payload: EachMessagePayload) => {
        // A consumer whose group moves reads some of them twice.
        if (isNew(payload.partition, Number(payload.message.offset)))
          records.push(toRecord(payload));
      };
      await consumer.run({ eachMessage });
      await until(`enough records of ${topic}`, isEnough, { timeoutMs });
    } finally {
      await consumer.disconnect();
    }
    return end === null ? records : records.filter((record) => end.includes(record));
  }

  async #endOf(topic: string): Promise<TopicEnd> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      return new TopicEnd(await admin.fetchTopicOffsets(topic));
    } finally {
      await admin.disconnect();
    }
  }

  /** Whether a broker answers; never rejects. */
  async answers(): Promise<boolean> {
    const admin = this.#single().admin();
    try {
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      return brokers.length > 0;
    } catch {
      return false; // asked again until the deadline
    } finally {
      await admin.disconnect().catch(() => {});
    }
  }

  /** Resolves when a produce was acknowledged: the broker is back. */
  async probe(timeoutMs = 100_000): Promise<void> {
    await until('an independent produce succeeds', () => this.#tryProduce(), { timeoutMs });
  }

  async #tryProduce(): Promise<boolean> {
    const client = this.#single();
    const admin = client.admin();
    const producer = client.producer();
    try {
      await admin.connect();
      // Brokers may be set to make no topics by themselves; one that is there is fine.
      const topics = [{ topic: probeTopic, numPartitions: 1, replicationFactor: 1 }];
      await admin.createTopics({ topics, waitForLeaders: false });
      await producer.connect();
      const messages = [{ value: 'probe' }];
      await producer.send({ topic: probeTopic, messages, timeout: produceTimeoutMs });
      return true;
    } catch {
      return false; // asked again until the deadline
    } finally {
      await producer.disconnect().catch(() => {});
      await admin.disconnect().catch(() => {});
    }
  }

  /** Asks once. */
  #single(): Kafka {
    const retry = { retries: 0 };
    return new Kafka({ brokers: [this.#address], logLevel: logLevel.NOTHING, retry });
  }
}

interface PartitionOffsets {
  readonly partition: number;
  readonly low: string;
  readonly high: string;
}

/** Where a topic ended when it was looked at, and how far it was read since. */
class TopicEnd {
  readonly #ends: ReadonlyMap<number, number>;
  readonly #unread = new Set<number>();

  constructor(offsets: readonly PartitionOffsets[]) {
    this.#ends = new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
    for (const { partition, low, high } of offsets) {
      if (Number(low) < Number(high)) this.#unread.add(partition);
    }
  }

  read(partition: number, nextOffset: number): void {
    if (nextOffset >= (this.#ends.get(partition) ?? 0)) this.#unread.delete(partition);
  }

  isReached(): boolean {
    return this.#unread.size === 0;
  }

  includes({ partition, offset }: TestRecord): boolean {
    return offset < (this.#ends.get(partition) ?? 0);
  }
}

/** What kafkajs gives besides, and has no type for. */
interface Stamped {
  readonly batchContext?: { readonly timestampType?: number };
}

function toRecord({ topic, partition, message }: EachMessagePayload): TestRecord {
  const headers = Object.entries(message.headers ?? {});
  const timestampMs = Number(message.timestamp);
  const { batchContext } = message as Stamped;
  const id = message.headers?.['outbox-event-id'];
  return {
    topic,
    partition,
    offset: Number(message.offset),
    id: id === undefined ? null : String(id),
    key: message.key?.toString() ?? null,
    value: message.value,
    hash: hashOf(message.value),
    headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    headerPairs: headers.flatMap(([name, value]) =>
      [value].flat().map((one) => [name, String(one)] as const),
    ),
    timestampMs,
    appendedAtMs: batchContext?.timestampType === appendTime ? timestampMs : null,
  };
}

/** A leader that is known may not serve yet. From then on the admin asks about this topic, too. */
async function serves(admin: Admin, topic: string): Promise<boolean> {
  if (!(await hasLeaders(admin, topic))) return false;
  try {
    await admin.fetchTopicOffsets(topic);
    return true;
  } catch {
    return false; // asked again until the deadline
  }
}

/** Whether each partition of the topic has one. */
export async function hasLeaders(admin: Admin, topic: string): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
  } catch {
    return false; // not heard of yet: asked again until the deadline
  }
}

/** False where a broker that has just come back, or thawed, must be asked again. */
async function tryCreate(admin: Admin, topic: ITopicConfig): Promise<boolean> {
  try {
    // Leaders are waited for elsewhere: it gives up when the broker has not heard of it yet.
    await admin.createTopics({ topics: [topic], waitForLeaders: false });
    return true;
  } catch (error) {
    const { errors = [] } = error as { errors?: readonly KafkaJSProtocolError[] };
    if (errors.length > 0 && errors.every(isPassing)) return false;
    throw error;
  }
}

/** While the controller has not heard of the broker again it has nobody to give a replica to. */
const isPassing = ({ type, retriable }: KafkaJSProtocolError) =>
  retriable || type === 'INVALID_REPLICATION_FACTOR';

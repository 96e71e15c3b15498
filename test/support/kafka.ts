/** A real Kafka in a container, and an independent client that shares no code with the relay. */
import { type Admin, type EachMessagePayload, Kafka, logLevel, type RecordMetadata } from 'kafkajs';
import { Container } from './container.ts';
import { kafkaImage } from './images.ts';
import { freePort } from './ports.ts';
import { until } from './wait.ts';

export interface Consumed {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** All of them, repeated names too. */
  readonly headerPairs: readonly (readonly [string, string])[];
  readonly timestamp: number;
}

/** One that is offered beside PLAINTEXT, e.g. with TLS. */
export interface Listener {
  /** Kafka's name of it, which `KAFKA_LISTENER_NAME_…` variables hold. */
  readonly name: string;
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** The same inside and outside. */
  readonly port: number;
}

export interface KafkaOptions {
  /** Address that clients are told, e.g. a proxy's. Default: the container's own. */
  readonly advertised?: string;
  /** Where it will be, for clients that look for it before it is started. Default: a free one. */
  readonly port?: number;
  /** Advertised as `localhost`, a name that a certificate or a principal can hold. */
  readonly listeners?: readonly Listener[];
  /** `KAFKA_*` variables beside those of every broker. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  readonly hostNames?: readonly string[];
}

interface Ports {
  readonly port: number;
  readonly direct: number;
}

function environment({ port, direct }: Ports, options: KafkaOptions): Record<string, string> {
  const { listeners = [], advertised = `127.0.0.1:${port}` } = options;
  const others = (of: (listener: Listener) => string) => listeners.map((one) => `,${of(one)}`);
  const bound = others((one) => `${one.name}://:${one.port}`).join('');
  const told = others((one) => `${one.name}://localhost:${one.port}`).join('');
  const protocols = others((one) => `${one.name}:${one.protocol}`).join('');
  const plain = 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT';
  return {
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_LISTENERS: `PLAINTEXT://:${port},DIRECT://:${direct},CONTROLLER://:29093${bound}`,
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${advertised},DIRECT://127.0.0.1:${direct}${told}`,
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:29093',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: `${plain}${protocols}`,
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '1',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '1',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_LOG_DIRS: '/var/lib/kafka/data',
    KAFKA_NUM_PARTITIONS: '3',
    // A broker that was killed is let in again when its old session is over.
    KAFKA_BROKER_SESSION_TIMEOUT_MS: '1500',
    KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: '500',
    KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
    ...options.environment,
  };
}

export class KafkaBroker {
  readonly container: Container;
  /** Where the relay under test reaches it. */
  readonly address: string;
  /** A listener of its own, for clients that are not under test. */
  readonly #direct: string;
  readonly #client: Kafka;

  private constructor(container: Container, direct: string) {
    this.container = container;
    this.address = `127.0.0.1:${container.port}`;
    this.#direct = direct;
    this.#client = independentClient(direct);
  }

  static async start(options: KafkaOptions = {}): Promise<KafkaBroker> {
    const { listeners = [], files = {}, hostNames = [] } = options;
    const [port, directPort] = [options.port ?? (await freePort()), await freePort()];
    const direct = `127.0.0.1:${directPort}`;
    const container = await Container.start({
      image: kafkaImage(),
      ports: [port, directPort, ...listeners.map((listener) => listener.port)],
      environment: environment({ port, direct: directPort }, options),
      files,
      hostNames,
      isReady: () => answers(direct),
    });
    return new KafkaBroker(container, direct);
  }

  async createTopic(topic: string, partitions = 3, config: Record<string, string> = {}) {
    const admin = this.#client.admin();
    await admin.connect();
    try {
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin.createTopics({
        topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
        waitForLeaders: false, // it gives up when the broker has not heard of the topic yet
      });
      await until(`${topic} takes records`, () => serves(admin, topic));
    } finally {
      await admin.disconnect();
    }
  }

  /** Resolves when a produce of a client that is not under test has been acknowledged. */
  async probe(topic = 'probe'): Promise<RecordMetadata[]> {
    return until('an independent produce succeeds', () => tryProduce(this.#direct, topic), {
      timeoutMs: 60_000,
    });
  }

  /** Everything in the topic, per partition in order, once `done` says that it is enough. */
  consume(topic: string, done: Enough, timeoutMs = 60_000): Promise<Consumed[]> {
    return consume(this.#client, topic, { done, timeoutMs });
  }

  /** Everything that the topic has by now; without transactions, whose markers have offsets too. */
  async consumeAll(topic: string, timeoutMs = 60_000): Promise<Consumed[]> {
    const ends = await this.#endOffsets(topic);
    const count = ends.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
    if (count === 0) return [];
    // A consumer whose group moves reads some of them twice: each place counts once.
    const places = (records: readonly Consumed[]) =>
      new Map(records.map((record) => [`${record.partition}:${record.offset}`, record]));
    const all = (records: readonly Consumed[]) => places(records).size >= count;
    return [...places(await this.consume(topic, all, timeoutMs)).values()];
  }

  async #endOffsets(topic: string) {
    const admin = this.#client.admin();
    await admin.connect();
    try {
      return await admin.fetchTopicOffsets(topic);
    } finally {
      await admin.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.container.remove();
  }
}

/** As {@link KafkaBroker.consume}, from a broker that somebody else started. */
export function consumeFrom(address: string, topic: string, done: Enough): Promise<Consumed[]> {
  return consume(independentClient(address), topic, { done, timeoutMs: 60_000 });
}

/** A number of records, or what says that they are all there. */
type Enough = number | ((records: readonly Consumed[]) => boolean);

async function consume(
  client: Kafka,
  topic: string,
  { done, timeoutMs }: { done: Enough; timeoutMs: number },
): Promise<Consumed[]> {
  const enough = typeof done === 'number' ? () => records.length >= done : done;
  const records: Consumed[] = [];
  // Disconnecting waits for the fetch under way.
  const groupId = `test-${crypto.randomUUID()}`;
  const consumer = client.consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async (payload) => void records.push(toConsumed(payload)) });
    await until(`enough records of ${topic}`, () => enough(records), { timeoutMs });
  } finally {
    await consumer.disconnect();
  }
  return records;
}

function toConsumed({ topic, partition, message }: EachMessagePayload): Consumed {
  const headers = Object.entries(message.headers ?? {});
  return {
    topic,
    partition,
    offset: Number(message.offset),
    key: message.key?.toString() ?? null,
    value: message.value,
    headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    headerPairs: headers.flatMap(([name, value]) =>
      [value].flat().map((one) => [name, String(one)] as const),
    ),
    timestamp: Number(message.timestamp),
  };
}

function independentClient(address: string): Kafka {
  const retry = { retries: 20, initialRetryTime: 100, maxRetryTime: 500 };
  return new Kafka({
    brokers: [address],
    clientId: 'independent',
    logLevel: logLevel.NOTHING,
    retry,
  });
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

export async function hasLeaders(admin: Admin, topic: string): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0));
  } catch {
    return false; // not heard of yet: asked again until the deadline
  }
}

async function answers(address: string): Promise<boolean> {
  const retry = { retries: 0 };
  const client = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry });
  const admin = client.admin();
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

async function tryProduce(address: string, topic: string): Promise<RecordMetadata[] | null> {
  const retry = { retries: 0 };
  const client = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry });
  const producer = client.producer({ allowAutoTopicCreation: true, retry });
  try {
    await producer.connect();
    return await producer.send({ topic, messages: [{ value: 'probe' }], timeout: 2_000 });
  } catch {
    return null; // asked again until the deadline
  } finally {
    await producer.disconnect().catch(() => {});
  }
}

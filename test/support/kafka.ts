/** A real Kafka in a container, and an independent client that shares no code with the relay. */
import {
  type Admin,
  type EachMessagePayload,
  type ITopicConfig,
  Kafka,
  type KafkaJSProtocolError,
  logLevel,
  type RecordMetadata,
} from 'kafkajs';
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
      const wanted = { topic, numPartitions: partitions, replicationFactor: 1, configEntries };
      await until(`${topic} is made`, () => tryCreate(admin, wanted));
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

  /** Everything that a read_committed consumer finds now; the topic is written to no more. */
  async consumeAll(topic: string): Promise<Consumed[]> {
    const last = `last ${crypto.randomUUID()}`;
    const partitions = await endEachWith(this.#client, topic, last);
    const isLast = ({ key }: Consumed) => key === last;
    const done = (records: readonly Consumed[]) => records.filter(isLast).length === partitions;
    return (await this.consume(topic, done)).filter((record) => !isLast(record));
  }

  async stop(): Promise<void> {
    await this.container.remove();
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

/** Writes a record of this key to each partition; resolves with how many there are. */
async function endEachWith(client: Kafka, topic: string, key: string): Promise<number> {
  const [admin, producer] = [client.admin(), client.producer()];
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0]?.partitions.map(({ partitionId }) => partitionId) ?? [];
    const messages = partitions.map((partition) => ({ key, value: null, partition }));
    await producer.send({ topic, messages });
    return partitions.length;
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
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

/**
 * A real Kafka in a container, for tests that take it away: one node that is broker and controller,
 * on a port that stays its own while it is dead.
 */
import { containerHost, ServiceContainer } from './container.ts';
import {
  type ConsumeOptions,
  type Enough,
  KafkaClient,
  type TestRecord,
  type TopicOptions,
} from './kafka-client.ts';
import { freePorts } from './ports.ts';

/** The version that our own tests run against; see `npm run test:versions` for the others. */
export const kafkaImageDefault = 'apache/kafka:4.3.1';

/** For a broker that does not live long enough to earn the cost of the JVM's better compiler. */
export const shortLivedJvm = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC';

/** One that is offered beside PLAINTEXT, e.g. with TLS. */
export interface KafkaListener {
  /** Kafka's name of it, which `KAFKA_LISTENER_NAME_…` variables hold. */
  readonly name: string;
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** The same inside and outside. */
  readonly port: number;
}

/** How {@link startKafka} starts one. */
export interface StartKafkaOptions {
  /**
   * One that is configured by `KAFKA_*` variables as `apache/kafka` is. Default: the variable
   * `KAFKA_IMAGE`, or else `apache/kafka` of the version that our own tests run against.
   */
  readonly image?: string;
  /** Of a topic, when none are asked for; 1 or more. Default: 3. */
  readonly partitions?: number;
  /** `KAFKA_*` variables beside those that one node needs, or instead of them. Default: none. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where it will be, for clients that look for it before it is started. Default: a free one. */
  readonly port?: number;
  /** Address that clients are told, e.g. a proxy's. Default: the container's own. */
  readonly advertised?: string;
  /** Advertised as `localhost`, a name that a certificate or principal can hold. Default: none. */
  readonly listeners?: readonly KafkaListener[];
  /** Files for them, by their path inside; readable by everybody in it. Default: none. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Names under which it knows this machine. Default: none. */
  readonly hostNames?: readonly string[];
}

interface Places {
  readonly host: string;
  readonly port: number;
  /** For clients that are not under test, whatever is done to the other listeners. */
  readonly direct: number;
}

function environment(
  { host, port, direct }: Places,
  options: StartKafkaOptions,
): Record<string, string> {
  const { listeners = [], advertised = `${host}:${port}`, partitions = 3 } = options;
  const others = (of: (listener: KafkaListener) => string) =>
    listeners.map((one) => `,${of(one)}`).join('');
  const bound = others((one) => `${one.name}://:${one.port}`);
  const told = others((one) => `${one.name}://localhost:${one.port}`);
  const protocols = others((one) => `${one.name}:${one.protocol}`);
  const plain = 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT';
  return {
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_LISTENERS: `PLAINTEXT://:${port},DIRECT://:${direct},CONTROLLER://:29093${bound}`,
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${advertised},DIRECT://${host}:${direct}${told}`,
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:29093',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    // To itself, too, for ends of transactions: what it advertises may not lead there.
    KAFKA_INTER_BROKER_LISTENER_NAME: 'DIRECT',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: `${plain}${protocols}`,
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '1',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '1',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_LOG_DIRS: '/var/lib/kafka/data',
    KAFKA_NUM_PARTITIONS: String(partitions),
    // A broker that was killed is let in again when its old session is over.
    KAFKA_BROKER_SESSION_TIMEOUT_MS: '1500',
    KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: '500',
    KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
    KAFKA_JVM_PERFORMANCE_OPTS: shortLivedJvm,
    ...options.env,
  };
}

/** A Kafka of one node that can be taken away; made by {@link startKafka}. */
export class TestKafka {
  /** Where clients reach it, `host:port`; the same after every start. */
  readonly address: string;
  /** For a client's or a relay's `brokers`. */
  readonly brokers: string[];
  /** What it runs in. */
  readonly container: ServiceContainer;
  readonly #client: KafkaClient;
  readonly #partitions: number;

  private constructor(
    container: ServiceContainer,
    client: KafkaClient,
    places: { readonly address: string; readonly partitions: number },
  ) {
    this.container = container;
    this.address = places.address;
    this.brokers = [places.address];
    this.#client = client;
    this.#partitions = places.partitions;
  }

  /** @internal */
  static async start(options: StartKafkaOptions = {}): Promise<TestKafka> {
    const host = await containerHost();
    const [free = 0, direct = 0] = await freePorts(2);
    const { port = free, listeners = [], files = {}, hostNames = [], partitions = 3 } = options;
    const client = new KafkaClient(`${host}:${direct}`);
    const container = await ServiceContainer.start({
      image: options.image ?? (process.env['KAFKA_IMAGE'] || kafkaImageDefault),
      ports: [port, direct, ...listeners.map((listener) => listener.port)],
      environment: environment({ host, port, direct }, options),
      files,
      hostNames,
      isReady: () => client.answers(),
    });
    return new TestKafka(container, client, { address: `${host}:${port}`, partitions });
  }

  /** Makes a topic, and resolves when it takes records. */
  createTopic(topic: string, options: TopicOptions = {}): Promise<void> {
    return this.#client.createTopic(topic, { partitions: this.#partitions, ...options });
  }

  /**
   * What is in the topic, per partition in the order of offsets, read from the beginning by a
   * consumer that shares no code with the relay.
   * @throws (rejects with) TEST_TIMEOUT when there is not enough after `timeoutMs`
   */
  consume(topic: string, enough: Enough, options: ConsumeOptions = {}): Promise<TestRecord[]> {
    return this.#client.consume(topic, enough, options);
  }

  /**
   * Resolves when a produce of an independent client was acknowledged, in a topic of its own.
   * @param timeoutMs default: 100,000
   * @throws (rejects with) TEST_TIMEOUT
   */
  probe(timeoutMs = 100_000): Promise<void> {
    return this.#client.probe(timeoutMs);
  }

  /** SIGKILL, as a crash; its data stay. */
  kill(): Promise<void> {
    return this.container.kill();
  }

  /** Asks it to stop, as an upgrade does; its data stay. */
  stop(): Promise<void> {
    return this.container.stop();
  }

  /** Starts a killed or stopped one on the same address; resolves when it takes records again. */
  async start(): Promise<void> {
    await this.container.start();
    await this.probe();
  }

  /** Freezes it: connections stay open and are not answered. */
  pause(): Promise<void> {
    return this.container.pause();
  }

  /** Lets it go on; resolves when it takes records again. */
  async unpause(): Promise<void> {
    await this.container.unpause();
    await this.probe();
  }

  /** Ends it, whatever was done to it, and deletes its data. Legal twice. */
  close(): Promise<void> {
    return this.container.remove();
  }

  /** As `close`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Starts a Kafka in a container and resolves when it answers. Topics that nobody made are made by
 * the first record, as brokers do unless `env` says otherwise. `close` it.
 * @throws (rejects with) TESTCONTAINERS_MISSING; TEST_TIMEOUT; what Docker refuses
 */
export function startKafka(options: StartKafkaOptions = {}): Promise<TestKafka> {
  return TestKafka.start(options);
}

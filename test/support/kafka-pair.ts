/**
 * Two or three brokers in one cluster: the first is the controller too, the second can be lost.
 * They share one network, so that all reach each other and are reached at the same addresses of
 * 127.0.0.1.
 */
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  type Admin,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from 'kafkajs';
import { shortLivedJvm } from '../../src/testing/kafka.ts';
import { Container } from './container.ts';
import { kafkaImage } from './images.ts';
import { javaWitness, type Witness } from './java-consumer.ts';
import { hasLeaders } from './kafka.ts';
import { freePort } from './ports.ts';
import { TcpProxy } from './proxy.ts';
import { until } from './wait.ts';

const controllerPort = 29_093;
/** By this topic the tests see when the cluster has noticed that a broker is lost. */
const watched = 'watched';
/** Among the brokers; clients are told of other listeners. */
const internalPorts = [29_191, 29_192, 29_193] as const;

export type BrokerId = 1 | 2 | 3;

interface Node {
  readonly id: BrokerId;
  readonly port: number;
  /** Where clients are told to find it. */
  readonly advertised: string;
  /** `KAFKA_*` variables of both brokers. */
  readonly settings: Readonly<Record<string, string>>;
}

function environment({ id, port, advertised, settings }: Node): Record<string, string> {
  const internal = internalPorts[id - 1];
  const controller = id === 1 ? `,CONTROLLER://:${controllerPort}` : '';
  return {
    KAFKA_NODE_ID: String(id),
    KAFKA_PROCESS_ROLES: id === 1 ? 'broker,controller' : 'broker',
    KAFKA_LISTENERS: `PLAINTEXT://:${port},INTERNAL://:${internal}${controller}`,
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${advertised},INTERNAL://127.0.0.1:${internal}`,
    KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
    KAFKA_CONTROLLER_QUORUM_VOTERS: `1@127.0.0.1:${controllerPort}`,
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP:
      'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT',
    KAFKA_LOG_DIRS: '/var/lib/kafka/data',
    KAFKA_BROKER_SESSION_TIMEOUT_MS: '1500',
    KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: '500',
    KAFKA_HEAP_OPTS: '-Xms128m -Xmx384m',
    KAFKA_JVM_PERFORMANCE_OPTS: shortLivedJvm,
    ...settings,
  };
}

export class KafkaPair {
  /** Where the first broker is reached. */
  readonly address: string;
  /** In front of the second broker: the address that it advertises. */
  readonly toSecond: TcpProxy;
  readonly #containers: readonly [Container, Container, ...Container[]];
  readonly #admin: Admin;

  private constructor(
    containers: readonly [Container, Container, ...Container[]],
    toSecond: TcpProxy,
  ) {
    const [first] = containers;
    this.address = `127.0.0.1:${first.port}`;
    this.toSecond = toSecond;
    this.#containers = containers;
    this.#admin = adminOf(this.address);
  }

  static async start(settings: Node['settings'], brokers: 2 | 3 = 2): Promise<KafkaPair> {
    const [port, secondPort, proxyPort] = [await freePort(), await freePort(), await freePort()];
    const thirdPort = await freePort();
    const toSecond = await TcpProxy.listen(proxyPort);
    toSecond.forwardTo(secondPort);
    const image = kafkaImage();
    const isReady = async () => true; // asked of both, below
    const first = await Container.start({
      image,
      ports: [port],
      portsOfOthers: [secondPort, thirdPort],
      environment: environment({ id: 1, port, advertised: `127.0.0.1:${port}`, settings }),
      isReady,
    });
    const { address: advertised } = toSecond;
    const second = await Container.start({
      image,
      ports: [secondPort],
      networkOf: first,
      environment: environment({ id: 2, port: secondPort, advertised, settings }),
      isReady,
    });
    const others: Container[] = [];
    if (brokers === 3) {
      const node = { id: 3, port: thirdPort, advertised: `127.0.0.1:${thirdPort}` } as const;
      const joined = { image, ports: [thirdPort], networkOf: first, isReady } as const;
      const started = { ...joined, ports: [thirdPort] as [number] };
      others.push(
        await Container.start({ ...started, environment: environment({ ...node, settings }) }),
      );
    }
    const pair = new KafkaPair([first, second, ...others], toSecond);
    await pair.#begin();
    return pair;
  }

  /** Until all are there, with a topic of the first two. */
  async #begin(): Promise<void> {
    const hasBoth = async () => {
      try {
        await this.#admin.connect();
        return (await this.#admin.describeCluster()).brokers.length === this.#containers.length;
      } catch {
        return false; // asked again until the deadline
      }
    };
    await until('the cluster has its brokers', hasBoth, { timeoutMs: 60_000, everyMs: 50 });
    // One that is there may not answer yet.
    const hasTopic = () =>
      this.createTopic(watched, [1, 2]).then(
        () => true,
        () => false,
      );
    await until('the cluster takes a topic', hasTopic, { timeoutMs: 60_000, everyMs: 50 });
  }

  /** @param replicas the brokers of the only partition, the preferred leader first */
  async createTopic(topic: string, replicas: readonly BrokerId[], config = {}): Promise<void> {
    await this.createSpread(topic, [replicas], config);
  }

  /** @param partitions the brokers of each partition, the preferred leader first */
  async createSpread(
    topic: string,
    partitions: readonly (readonly BrokerId[])[],
    config = {},
  ): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => {
      return { name, value: String(value) };
    });
    const replicaAssignment = partitions.map((replicas, partition) => {
      return { partition, replicas: [...replicas] };
    });
    const counts = { numPartitions: -1, replicationFactor: -1 }; // the assignment says both
    await this.#admin.createTopics({
      topics: [{ topic, ...counts, replicaAssignment, configEntries }],
      waitForLeaders: false, // it gives up when the broker has not heard of the topic yet
    });
    await until(`${topic} has its leaders`, () => hasLeaders(this.#admin, topic));
  }

  /** Nobody may do this with the topic any more; everything else is allowed. */
  async forbid(topic: string, operation: 'DESCRIBE' | 'DESCRIBE_CONFIGS'): Promise<void> {
    const rule = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: topic,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: 'User:*',
      host: '*',
    };
    const all = { operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW };
    const none = {
      operation: AclOperationTypes[operation],
      permissionType: AclPermissionTypes.DENY,
    };
    await this.#admin.createAcls({
      acl: [
        { ...rule, ...all },
        { ...rule, ...none },
      ],
    });
  }

  /** SIGKILL, and the cluster has noticed. */
  async killSecond(): Promise<void> {
    await this.#containers[1].kill();
    const isAlone = async () => {
      try {
        const { topics } = await this.#admin.fetchTopicMetadata({ topics: [watched] });
        return topics[0]?.partitions[0]?.isr.join() === '1';
      } catch {
        return false; // the lost broker was asked, or the first one does not lead yet
      }
    };
    await until('the first broker is alone', isAlone, { everyMs: 50 });
  }

  /** The killed one again; does not wait until it is back in the cluster. */
  async startSecond(): Promise<void> {
    await this.#containers[1].start();
  }

  /** Resolves when every replica of the topic is in sync, and leaders are where they belong. */
  async isWhole(topic: string): Promise<void> {
    const isSo = async () => {
      try {
        const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
        const partitions = topics[0]?.partitions ?? [];
        return partitions.every(({ isr, replicas, leader }) => {
          return isr.length === replicas.length && leader === replicas[0];
        });
      } catch {
        return false; // asked again until the deadline
      }
    };
    await until('every replica is in sync', isSo, { timeoutMs: 60_000, everyMs: 50 });
  }

  get committed(): Witness {
    return javaWitness(this.#containers[0]);
  }

  async stop(): Promise<void> {
    await this.#admin.disconnect();
    await this.toSecond.close();
    await Promise.all(this.#containers.map((container) => container.remove()));
  }
}

function adminOf(address: string): Admin {
  const retry = { retries: 20, initialRetryTime: 50, maxRetryTime: 250 };
  const options = { brokers: [address], clientId: 'independent', logLevel: logLevel.NOTHING };
  return new Kafka({ ...options, retry }).admin();
}

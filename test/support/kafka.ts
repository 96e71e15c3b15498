/** The kit's Kafka, as our own suites have it: the images of the set-up, settings in short. */
import type { ServiceContainer } from '../../src/testing/container.ts';
import {
  type KafkaListener,
  type StartKafkaOptions,
  startKafka,
  type TestKafka,
} from '../../src/testing/kafka.ts';
import {
  type Enough,
  hasLeaders,
  KafkaClient,
  type TestRecord,
} from '../../src/testing/kafka-client.ts';
import { kafkaImage } from './images.ts';
import { javaWitness, type Witness } from './java-consumer.ts';

export type { KafkaListener as Listener, TestRecord as Consumed };
export { hasLeaders };

export class KafkaBroker {
  readonly container: ServiceContainer;
  /** Where the relay under test reaches it. */
  readonly address: string;
  readonly #kafka: TestKafka;

  private constructor(kafka: TestKafka) {
    this.#kafka = kafka;
    this.container = kafka.container;
    this.address = kafka.address;
  }

  static async start(options: StartKafkaOptions = {}): Promise<KafkaBroker> {
    return new KafkaBroker(await startKafka({ image: kafkaImage(), ...options }));
  }

  createTopic(topic: string, partitions = 3, config: Record<string, string> = {}): Promise<void> {
    return this.#kafka.createTopic(topic, { partitions, config });
  }

  /** Resolves when a produce of a client that is not under test has been acknowledged. */
  probe(): Promise<void> {
    return this.#kafka.probe();
  }

  /** Everything in the topic, per partition in order, once `done` says that it is enough. */
  consume(topic: string, done: Enough, timeoutMs = 60_000): Promise<TestRecord[]> {
    return this.#kafka.consume(topic, done, { timeoutMs });
  }

  /** What reads transactions right; slower. */
  get committed(): Witness {
    return javaWitness(this.container);
  }

  /** For good. */
  stop(): Promise<void> {
    return this.#kafka.close();
  }
}

/** As {@link KafkaBroker.consume}, from a broker that somebody else started. */
export function consumeFrom(address: string, topic: string, done: Enough): Promise<TestRecord[]> {
  return new KafkaClient(address).consume(topic, done);
}

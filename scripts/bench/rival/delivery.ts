/**
 * Delivers what is in the rival's outbox: one of its listeners, and a producer as kafkajs makes it
 * with acks=all. kafkajs tries a send six times within some ten seconds; the listener tries again.
 */
import { Kafka, logLevel, type Producer } from 'kafkajs';
import type { ClientConfig } from 'pg';
import type { TransactionalMessage } from 'pg-transactional-outbox';
import { type ListenerName, listeners } from './listeners.ts';
import { SharedSends } from './shared-sends.ts';

export interface DeliveryTask {
  readonly database: ClientConfig;
  readonly broker: string;
  readonly topic: string;
  readonly listener: ListenerName;
}

/** An event that hangs in a send must not hold up the benchmark. */
const stopMaxMs = 10_000;

export class Delivery {
  readonly #producer: Producer;
  readonly #shutdown: () => Promise<void>;
  #sent = 0;

  private constructor(producer: Producer, { database, topic, listener }: DeliveryTask) {
    this.#producer = producer;
    const sends = new SharedSends(producer, topic);
    const handle = async ({ aggregateId, payload }: TransactionalMessage) => {
      const { value } = payload as { value: string };
      await sends.send({ key: aggregateId, value: Buffer.from(value, 'base64') });
      this.#sent += 1;
    };
    this.#shutdown = listeners[listener].start(database, { handle });
  }

  /** Begins when Kafka is there, however long that takes. */
  static async start(task: DeliveryTask): Promise<Delivery> {
    const producer = await connectedProducer(task.broker);
    return new Delivery(producer, task);
  }

  /** Records that Kafka has acknowledged, repeats included. */
  get sent(): number {
    return this.#sent;
  }

  /** Resolves when nothing is on its way any more, or after 10 s. */
  async stop(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, stopMaxMs).unref());
    await Promise.race([this.#shutdown(), late]);
    await this.#producer.disconnect();
  }
}

async function connectedProducer(broker: string): Promise<Producer> {
  const kafka = { brokers: [broker], clientId: 'bench-rival', logLevel: logLevel.NOTHING };
  const producer = new Kafka(kafka).producer();
  for (;;) {
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      process.stderr.write(`not connected: ${String(error)}\n`);
    }
  }
}

/**
 * Kafka's own consumer as a witness of what is committed. kafkajs 2.2.4 shows records of aborted
 * transactions when several were aborted in one partition: it takes the broker's list, which is in
 * the order of their ends, for one in the order of their beginnings (filterAbortedMessages.js).
 */
import { type Admin, Kafka, type KafkaJSError, logLevel } from 'kafkajs';
import { hashOf } from '../../src/testing/checker.ts';
import type { ServiceContainer } from '../../src/testing/container.ts';
import { shortLivedJvm } from '../../src/testing/kafka.ts';
import type { TestRecord as Consumed, Enough } from '../../src/testing/kafka-client.ts';
import { until } from './wait.ts';

export interface Witness {
  consume(topic: string, enough: Enough, timeoutMs?: number): Promise<Consumed[]>;
}

/** In no key, header or value of ours. */
const separator = '\u0001';
/** It ends when it has had no record for so long; longer each time, as it may be slow. */
const idleMsFirst = 2_000;
const idleMsMax = 16_000;

/** By the listener that a broker advertises to its like, whatever is done to the others. */
const script = ({ topic, group }: Reading, idleMs: number) => `
  address=$(echo "$KAFKA_ADVERTISED_LISTENERS" | grep -oE '(DIRECT|INTERNAL)://[^,]*' | head -1)
  exec java ${shortLivedJvm} -cp '/opt/kafka/libs/*' \\
    org.apache.kafka.tools.consumer.ConsoleConsumer \\
    --bootstrap-server "\${address#*://}" --topic ${topic} --from-beginning --group ${group} \\
    --isolation-level read_committed --timeout-ms ${idleMs} \\
    --property print.partition=true --property print.offset=true \\
    --property print.headers=true --property print.key=true \\
    --property key.separator=${separator} \\
    --property headers.separator=, 2>/dev/null`;

/** Reads with the consumer in this broker's container. Keys and values are text. */
export function javaWitness(container: ServiceContainer): Witness {
  return {
    consume: async (topic, enough, timeoutMs = 60_000) => {
      const reading = await Reading.of(topic, { container, kafka: await kafkaOf(container) });
      const isRead = async () => (await reading.goOn()) && reading.has(enough);
      await until(`enough committed records of ${topic}`, isRead, { timeoutMs });
      return reading.records;
    },
  };
}

interface Services {
  readonly container: ServiceContainer;
  readonly kafka: Kafka;
}

/** By the address at which tests reach it. */
async function kafkaOf(container: ServiceContainer): Promise<Kafka> {
  const listeners = await container.exec('printenv', 'KAFKA_ADVERTISED_LISTENERS');
  const [, address = ''] =
    /DIRECT:\/\/([^,]+)/.exec(listeners) ?? /PLAINTEXT:\/\/([^,]+)/.exec(listeners) ?? [];
  const brokers = [address.trim()];
  return new Kafka({ brokers, clientId: 'witness', logLevel: logLevel.NOTHING });
}

/** Another client each time: one that has asked a broker that leads no more would ask it again. */
function ask<T>(kafka: Kafka, question: (admin: Admin) => Promise<T>): Promise<NonNullable<T>> {
  return until('Kafka answers', async () => {
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await question(admin);
    } catch (error) {
      if ((error as KafkaJSError).retriable) return null;
      throw error;
    } finally {
      await admin.disconnect();
    }
  });
}

/**
 * A reading of a topic, in as many runs of the consumer as it takes: a run ends when it was idle,
 * slow, or has met nothing but aborted records, and leaves in its group how far it came.
 */
class Reading {
  readonly topic: string;
  readonly group = `witness-${crypto.randomUUID()}`;
  readonly #services: Services;
  /** By partition, up to where nothing was open when the reading began (last stable offset). */
  readonly #ends: ReadonlyMap<number, number>;
  readonly #records = new Map<string, Consumed>();
  #idleMs = idleMsFirst;

  private constructor(topic: string, ends: ReadonlyMap<number, number>, services: Services) {
    this.topic = topic;
    this.#ends = ends;
    this.#services = services;
  }

  static async of(topic: string, services: Services): Promise<Reading> {
    const offsets = await ask(services.kafka, (admin) => admin.fetchTopicOffsets(topic));
    const unread = offsets.filter(({ low, high }) => low !== high);
    const ends = unread.map(({ partition, high }) => [partition, Number(high)] as const);
    return new Reading(topic, new Map(ends), services);
  }

  get records(): Consumed[] {
    return [...this.#records.values()];
  }

  has(enough: Enough): boolean {
    if (enough === 'end') return true;
    return typeof enough === 'function' ? enough(this.records) : this.#records.size >= enough;
  }

  /** Runs the consumer once more. Whether everything up to the end has been read then. */
  async goOn(): Promise<boolean> {
    const { container, kafka } = this.#services;
    const output = await container.exec('bash', '-c', script(this, this.#idleMs));
    this.#idleMs = Math.min(this.#idleMs * 2, idleMsMax);
    for (const line of output.split('\n').filter((line) => line.includes(separator))) {
      const record = toConsumed(this.topic, line);
      this.#records.set(`${record.partition}/${record.offset}`, record);
    }
    const asked = { groupId: this.group, topics: [this.topic] };
    const [read] = await ask(kafka, (admin) => admin.fetchOffsets(asked));
    const next = new Map(read?.partitions.map((each) => [each.partition, Number(each.offset)]));
    return [...this.#ends].every(([partition, end]) => (next.get(partition) ?? -1) >= end);
  }
}

function toConsumed(topic: string, line: string): Consumed {
  const [partition = '', offset = '', headers = '', key = '', value = ''] = line.split(separator);
  const pairs = headers.split(',').map((pair) => {
    const [name = '', ...rest] = pair.split(':');
    return [name, rest.join(':')] as const;
  });
  const named = Object.fromEntries(pairs);
  return {
    topic,
    partition: Number(partition.replace('Partition:', '')),
    offset: Number(offset.replace('Offset:', '')),
    id: named['outbox-event-id'] ?? null,
    key,
    value: Buffer.from(value),
    hash: hashOf(value),
    headers: named,
    headerPairs: pairs,
    timestampMs: 0,
    appendedAtMs: null,
  };
}

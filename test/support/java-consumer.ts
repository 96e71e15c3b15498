/**
 * Kafka's own consumer as a witness of what is committed. kafkajs 2.2.4 shows records of aborted
 * transactions when several were aborted in one partition: it takes the broker's list, which is in
 * the order of their ends, for one in the order of their beginnings (filterAbortedMessages.js).
 */
import { hashOf } from '../../src/testing/checker.ts';
import type { ServiceContainer } from '../../src/testing/container.ts';
import type { TestRecord as Consumed, Enough } from '../../src/testing/kafka-client.ts';
import { until } from './wait.ts';

export interface Witness {
  consume(topic: string, enough: Enough, timeoutMs?: number): Promise<Consumed[]>;
}

/** In no key, header or value of ours. */
const separator = '\u0001';
/** Without a record for so long it takes a topic for read; longer each time, as it may be slow. */
const idleMsFirst = 4_000;

/** By the listener that a broker advertises to its like, whatever is done to the others. */
const script = (topic: string, idleMs: number) => `
  address=$(echo "$KAFKA_ADVERTISED_LISTENERS" | grep -oE '(DIRECT|INTERNAL)://[^,]*' | head -1)
  exec java -cp '/opt/kafka/libs/*' org.apache.kafka.tools.consumer.ConsoleConsumer \\
    --bootstrap-server "\${address#*://}" --topic ${topic} --from-beginning \\
    --isolation-level read_committed --timeout-ms ${idleMs} \\
    --formatter-property print.partition=true --formatter-property print.offset=true \\
    --formatter-property print.headers=true --formatter-property print.key=true \\
    --formatter-property key.separator=${separator} \\
    --formatter-property headers.separator=, 2>/dev/null`;

/** Reads with the consumer in this broker's container. Keys and values are text. */
export function javaWitness(container: ServiceContainer): Witness {
  const idleMs = new Map<string, number>();
  const read = async (topic: string): Promise<Consumed[]> => {
    const idle = idleMs.get(topic) ?? idleMsFirst;
    idleMs.set(topic, idle * 2);
    const output = await container.exec('bash', '-c', script(topic, idle));
    const lines = output.split('\n').filter((line) => line.includes(separator));
    return lines.map((line) => toConsumed(topic, line));
  };
  return {
    consume: (topic, enough, timeoutMs = 60_000) => {
      const isEnough = (records: readonly Consumed[]) => {
        if (enough === 'end') return true; // each reading goes to the end of what is committed
        return typeof enough === 'function' ? enough(records) : records.length >= enough;
      };
      const readEnough = async () => {
        const records = await read(topic);
        return isEnough(records) ? records : null;
      };
      return until(`enough committed records of ${topic}`, readEnough, { timeoutMs });
    },
  };
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

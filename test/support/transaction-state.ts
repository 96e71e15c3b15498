/**
 * Makes a broker lose the end of a transaction, as a killed one may (lost-ends.ts): writes into the
 * log of its coordinator that it is complete. Started again, it believes that.
 *
 * Kafka lets a client that is called as its own tools are write there. The value of an entry
 * begins, in both of its versions, with version (int16), producer id (int64), epoch (int16),
 * timeout (int32) and state (int8): TransactionLogValue.json in https://github.com/apache/kafka.
 */
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs';
import { until } from './wait.ts';

const topic = '__transaction_state';
const stateAt = 16;
const states = { ongoing: 1, completeCommit: 4 } as const;

/** @param transactionalIds of transactions that are under way */
export async function noteAsComplete(
  address: string,
  transactionalIds: readonly string[],
): Promise<void> {
  const kafka = new Kafka({
    clientId: '__admin_client',
    brokers: [address],
    logLevel: logLevel.NOTHING,
  });
  const entries = await lastEntries(kafka, transactionalIds);
  for (const [id, { partition, message }] of entries) {
    const { key, value } = message;
    if (value?.[stateAt] !== states.ongoing) throw new Error(`nothing of ${id} is under way`);
    value[stateAt] = states.completeCommit;
    const producer = kafka.producer({ createPartitioner: () => () => partition });
    await producer.connect();
    await producer.send({ topic, acks: -1, messages: [{ key, value }] });
    await producer.disconnect();
  }
}

interface Entry {
  readonly partition: number;
  readonly message: KafkaMessage;
}

async function lastEntries(
  kafka: Kafka,
  transactionalIds: readonly string[],
): Promise<ReadonlyMap<string, Entry>> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const left = new Set(ends.filter(({ high }) => high !== '0').map(({ partition }) => partition));
  const last = new Map<string, Entry>();
  const consumer = kafka.consumer({ groupId: `reads-${transactionalIds[0]}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const id = transactionalIds.find((each) => message.key?.includes(each));
      if (id !== undefined) last.set(id, { partition, message });
      const end = Number(ends.find((each) => each.partition === partition)?.high);
      if (Number(message.offset) >= end - 1) left.delete(partition);
    },
  });
  await until('the log is read', () => left.size === 0, { timeoutMs: 60_000 });
  await consumer.disconnect();
  if (last.size < transactionalIds.length) throw new Error('not all of them are noted');
  return last;
}

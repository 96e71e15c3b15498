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

/** @param transactionalId of a transaction that is under way */
export async function noteAsComplete(address: string, transactionalId: string): Promise<void> {
  const kafka = new Kafka({
    clientId: '__admin_client',
    brokers: [address],
    logLevel: logLevel.NOTHING,
  });
  const { partition, message } = await lastEntry(kafka, transactionalId);
  const { key, value } = message;
  if (value?.[stateAt] !== states.ongoing) throw new Error('no transaction is under way');
  value[stateAt] = states.completeCommit;
  const producer = kafka.producer({ createPartitioner: () => () => partition });
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ key, value }] });
  await producer.disconnect();
}

async function lastEntry(kafka: Kafka, transactionalId: string) {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const left = new Set(ends.filter(({ high }) => high !== '0').map(({ partition }) => partition));
  let last: { partition: number; message: KafkaMessage } | null = null;
  const consumer = kafka.consumer({ groupId: `reads-${transactionalId}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      if (message.key?.includes(transactionalId)) last = { partition, message };
      const end = Number(ends.find((each) => each.partition === partition)?.high);
      if (Number(message.offset) >= end - 1) left.delete(partition);
    },
  });
  await until('the log is read', () => left.size === 0, { timeoutMs: 60_000 });
  await consumer.disconnect();
  if (last === null) throw new Error(`nothing is noted of ${transactionalId}`);
  return last as { partition: number; message: KafkaMessage };
}

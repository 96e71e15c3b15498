/** A topic that tells when each record came, and all that it holds. */
import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import { hashOf } from '../../../src/testing/checker.ts';
import type { StampedRecord } from '../../demo/consumed.ts';
import type { BareKafka } from '../bare.ts';

const readMaxMs = 60_000;

/** The broker's own clock stamps the records, not whoever sends them. */
export const stamped = { 'message.timestamp.type': 'LogAppendTime' };

/** The number in the value is the record's identity, on both sides alike. */
function recordOf(
  { topic, partition }: EachBatchPayload['batch'],
  message: KafkaMessage,
): StampedRecord {
  return {
    topic,
    partition,
    offset: Number(message.offset),
    id: message.value === null ? null : String(message.value.readDoubleBE()),
    key: message.key === null ? null : message.key.toString(),
    hash: hashOf(message.value),
    appendedAtMs: Number(message.timestamp),
  };
}

/** Everything that is in it now; nobody writes to it any more. */
export async function readTopic(kafka: BareKafka, topic: string): Promise<StampedRecord[]> {
  const count = await kafka.count(topic);
  const records: StampedRecord[] = [];
  if (count === 0) return records;
  const consumer = await kafka.consumer();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const { promise: complete, resolve, reject } = Promise.withResolvers<void>();
  const late = () => reject(new Error(`${topic}: ${records.length} of ${count} records were read`));
  const timer = setTimeout(late, readMaxMs);
  const eachBatch = async ({ batch }: EachBatchPayload) => {
    records.push(...batch.messages.map((message) => recordOf(batch, message)));
    if (records.length >= count) resolve();
  };
  await consumer.run({ eachBatch });
  await complete;
  clearTimeout(timer);
  await consumer.disconnect();
  return records;
}

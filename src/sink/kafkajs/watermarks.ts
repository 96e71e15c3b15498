/**
 * Watermarks are kept as offsets of a consumer group that nobody consumes with, on a topic that
 * nobody writes to: Kafka can commit those in the transaction of the records, and nothing else.
 */
import { classify } from '../classify.ts';
import type { SlotMark, TransactionNames } from '../driver.ts';
import type { Admin } from './client.ts';

export const watermarkTopic = 'outbox-relay.watermarks';

/** Makes the topic, or gives it more partitions, one for each slot. */
export async function ensureWatermarks(admin: Admin, slots: number): Promise<void> {
  const partitions = await partitionsNow(admin);
  if (partitions >= slots) return;
  if (partitions === 0) {
    const topic = { topic: watermarkTopic, numPartitions: slots, replicationFactor: -1 };
    // False when another lane was faster, perhaps of an outbox with fewer slots.
    if (await admin.createTopics({ topics: [topic], waitForLeaders: true })) return;
    if ((await partitionsNow(admin)) >= slots) return;
  }
  try {
    const grown = { topic: watermarkTopic, count: slots };
    await admin.createPartitions({ topicPartitions: [grown] });
  } catch (error) {
    if ((await partitionsNow(admin)) < slots) throw error; // another lane was not faster
  }
}

/** 0 when there is no such topic. */
async function partitionsNow(admin: Admin): Promise<number> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [watermarkTopic] });
    return topics[0]?.partitions.length ?? 0;
  } catch (error) {
    if (classify(error).code === 'UNKNOWN_TOPIC_OR_PARTITION') return 0;
    throw error;
  }
}

/** By slot, its own alone: other lanes' move all the time. kafkajs says -1 for none. */
export async function readWatermarks(
  admin: Admin,
  { group, ownSlots }: TransactionNames,
): Promise<ReadonlyMap<number, SlotMark>> {
  const topics = await admin.fetchOffsets({ groupId: group, topics: [watermarkTopic] });
  const found = new Map<number, SlotMark>();
  for (const { partition: slot, offset, metadata } of topics[0]?.partitions ?? []) {
    const number = Number(offset);
    if (number >= 0 && ownSlots.includes(slot))
      found.set(slot, { slot, number, note: metadata ?? '' });
  }
  return found;
}

export function areEqual(one: ReadonlyMap<number, SlotMark>, other: typeof one): boolean {
  if (one.size !== other.size) return false;
  return [...one].every(([slot, { number, note }]) => {
    const same = other.get(slot);
    return same?.number === number && same.note === note;
  });
}

/**
 * The independent consumer: reads the topic from its beginning to the end offsets it had at the
 * start, with a plain kafkajs consumer, and writes down what it saw.
 */
import { open } from 'node:fs/promises';
import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import { hashOf } from '../../src/testing/checker.ts';
import { patientClient } from './client.ts';
import { consumedLine } from './consumed.ts';
import {
  type ConsumerMessage,
  type ConsumerTask,
  endWithMain,
  finish,
  readTask,
  tell,
} from './messages.ts';

/** Next offset to read and end offset, per partition. */
type Positions = Map<number, { next: number; readonly end: number }>;

type Place = Pick<EachBatchPayload['batch'], 'topic' | 'partition'>;

async function endOffsets(task: ConsumerTask): Promise<Positions> {
  const admin = patientClient(task.broker, 'demo-consumer').admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(task.topic);
  await admin.disconnect();
  return new Map(
    offsets.map(({ partition, low, high }) => [
      partition,
      { next: Number(low), end: Number(high) },
    ]),
  );
}

function lineOf({ topic, partition }: Place, message: KafkaMessage): string {
  const id = message.headers?.['outbox-event-id'];
  return consumedLine({
    topic,
    partition,
    offset: Number(message.offset),
    id: id === undefined || Array.isArray(id) ? null : id.toString(),
    key: message.key === null ? null : message.key.toString(),
    hash: hashOf(message.value),
    appendedAtMs: Number(message.timestamp),
  });
}

async function run(task: ConsumerTask): Promise<number> {
  const positions = await endOffsets(task);
  const file = await open(task.consumedFile, 'ax');
  const consumer = patientClient(task.broker, 'demo-consumer').consumer({
    groupId: `demo-consumer-${process.pid}`,
    maxWaitTimeInMs: 100,
  });
  let records = 0;
  const finished = () => [...positions.values()].every(({ next, end }) => next >= end);
  const take = async ({ batch }: EachBatchPayload, done: () => void) => {
    const position = positions.get(batch.partition);
    if (position === undefined) throw new Error(`partition ${batch.partition} was not there`);
    const fresh = batch.messages.filter(
      ({ offset }) => Number(offset) >= position.next && Number(offset) < position.end,
    );
    if (fresh.length > 0) {
      await file.appendFile(`${fresh.map((one) => lineOf(batch, one)).join('\n')}\n`);
    }
    records += fresh.length;
    position.next = Math.max(position.next, Number(batch.lastOffset()) + 1);
    if (finished()) done();
  };
  await consumer.connect();
  await consumer.subscribe({ topics: [task.topic], fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    if (finished()) return resolve();
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      // Retries used up, the group's coordinator still starting: kafkajs begins again by itself.
      if (payload.restart) console.error('the consumer starts again:', payload.error);
      else reject(payload.error);
    });
    consumer.run({ eachBatch: (payload) => take(payload, resolve) }).catch(reject);
  });
  await consumer.disconnect();
  await file.close();
  return records;
}

endWithMain();
const records = await run(readTask<ConsumerTask>());
await tell<ConsumerMessage>({ type: 'done', records });
finish();

/** Reading back on kafkajs: a consumer of a group that nobody else is in, and that ends with it. */
import { randomUUID } from 'node:crypto';
import { pause } from '../../core/clock.ts';
import { ReadFailedError } from '../../core/errors.ts';
import { classify } from '../classify.ts';
import type { LogReader, ReadRange, ReadRequest } from '../reader.ts';
import { Client, type Consumer, type KafkaJsOptions } from './client.ts';

/** A cluster makes the topic of its groups when the first one asks: that takes some seconds. */
const groupRetry = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 20 };

const attemptMs = 500;

/**
 * The first group of a cluster waits for its coordinator. kafkajs tells so by the broker's codes
 * 14 to 16, or by its own KafkaJSGroupCoordinatorNotFound once it has asked every broker.
 */
export function isCoordinatorAway(thrown: unknown): boolean {
  return /coordinator/i.test(classify(thrown).code);
}

interface Target extends ReadRange {
  readonly fromOffset: number;
  readonly toOffset: number;
}

export class KafkaJsReader implements LogReader {
  readonly #options: KafkaJsOptions;
  readonly #client: Client;

  constructor(options: KafkaJsOptions) {
    this.#options = options;
    this.#client = new Client(options, 'verify');
  }

  async read(request: ReadRequest): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + request.patienceMs;
    let begun = false;
    const onRecord: ReadRequest['onRecord'] = (record) => {
      begun = true;
      request.onRecord(record);
    };
    for (;;) {
      try {
        const targets = await this.#targets(request);
        if (targets.length > 0) await this.#consume({ ...request, onRecord }, targets);
        return;
      } catch (error) {
        if (error instanceof ReadFailedError) throw error;
        const again = !begun && isCoordinatorAway(error) && clock.monotonic() < deadline;
        const { code, message } = classify(error);
        if (!again)
          throw new ReadFailedError(`${request.topic}: ${code}: ${message}`, { cause: error });
        await pause(clock, attemptMs);
      }
    }
  }

  /** The ranges as far as they are there; what Kafka has deleted cannot be waited for. */
  async #targets({ topic, ranges }: ReadRequest): Promise<Target[]> {
    const { kafka, retry } = this.#client;
    const admin = kafka.admin({ retry });
    await admin.connect();
    try {
      const offsets = await admin.fetchTopicOffsets(topic);
      return ranges.flatMap(({ partition, fromOffset, toOffset }) => {
        const there = offsets.find((one) => one.partition === partition);
        if (there === undefined) return [];
        const [low, last] = [Number(there.low), Number(there.high) - 1];
        const from = Math.max(low, fromOffset ?? low);
        const to = Math.min(last, toOffset ?? last);
        return from > to ? [] : [{ partition, fromOffset: from, toOffset: to }];
      });
    } finally {
      await admin.disconnect();
    }
  }

  async #consume(request: ReadRequest, targets: readonly Target[]): Promise<void> {
    const { kafka } = this.#client;
    const groupId = `outbox-relay-verify-${randomUUID()}`;
    const consumer = kafka.consumer({ groupId, retry: groupRetry, maxWaitTimeInMs: 200 });
    await consumer.connect();
    try {
      await this.#run(consumer, request, targets);
    } finally {
      await consumer.disconnect();
    }
  }

  #run(consumer: Consumer, request: ReadRequest, targets: readonly Target[]): Promise<void> {
    const { topic, onRecord, patienceMs } = request;
    const left = new Map(targets.map((target) => [target.partition, target]));
    return new Promise((resolve, reject) => {
      let cancel = () => {};
      const wait = () => {
        cancel();
        cancel = this.#options.clock.after(patienceMs, () => {
          reject(new ReadFailedError(`${topic}: no record for ${patienceMs} ms`));
        });
      };
      const fail = (error: unknown) => {
        cancel();
        reject(error);
      };
      const begin = async () => {
        await consumer.subscribe({ topic, fromBeginning: true });
        await consumer.run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            const target = left.get(batch.partition);
            if (target === undefined) return;
            wait();
            for (const { offset, headers } of batch.messages) {
              const at = Number(offset);
              if (at < target.fromOffset || at > target.toOffset) continue;
              const id = headers?.['outbox-event-id'];
              const eventId = id === undefined ? null : String(id);
              onRecord({ partition: batch.partition, offset: at, eventId });
            }
            if (Number(batch.lastOffset()) >= target.toOffset) left.delete(batch.partition);
            if (left.size > 0) return;
            cancel();
            resolve();
          },
        });
      };
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart) fail(payload.error); // otherwise it joins again by itself
      });
      // Before it there is no group that could seek; what was fetched meanwhile is out of range.
      consumer.on(consumer.events.GROUP_JOIN, () => {
        for (const { partition, fromOffset } of targets) {
          consumer.seek({ topic, partition, offset: String(fromOffset) });
        }
      });
      wait();
      begin().catch(fail);
    });
  }

  async close(): Promise<void> {
    this.#client.cut();
  }
}

export function createKafkaJsReader(options: KafkaJsOptions): LogReader {
  return new KafkaJsReader(options);
}

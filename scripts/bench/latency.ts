/**
 * From commit to consumer at a steady pace, beside the bare client's from send to consumer. The
 * relay is a process of its own, as it would be; both sides are read by the same consumer.
 */
import { join } from 'node:path';
import type { Consumer, Producer } from 'kafkajs';
import { type Outbox, openOutbox } from '../../src/index.ts';
import { rawEvent } from './events.ts';
import { RelayProcess } from './relay-process.ts';
import type { Services } from './services.ts';
import { type Measure, measure, percentile, ratioOf } from './statistics.ts';

export interface LatencyPlan {
  readonly folder: string;
  readonly services: Services;
  readonly repeats: number;
  readonly secondsOfEach: number;
  readonly tell: (text: string) => void;
}

interface Percentiles {
  readonly p50Ms: Measure;
  readonly p99Ms: Measure;
}

export interface Latency {
  readonly eventsPerSecond: number;
  readonly ours: Percentiles;
  readonly bare: Percentiles;
  readonly p99Ratio: Measure;
}

const eventsPerSecond = 500;
const topic = 'latency';

export async function measureLatency(plan: LatencyPlan): Promise<Latency> {
  const { services, folder } = plan;
  await services.kafka.createTopic(topic);
  const consumer = await services.kafka.consumer();
  const arrivals = await Arrivals.start(consumer);
  const outbox = openOutbox({ path: join(folder, 'latency.db') });
  const relay = await RelayProcess.start(outbox.path, services);
  const producer = await services.kafka.producer();
  const ours: number[][] = [];
  const bare: number[][] = [];
  try {
    // A first second of each is not counted.
    await run(1, arrivals, viaOutbox(outbox));
    await run(1, arrivals, viaClient(producer));
    for (let repeat = 1; repeat <= plan.repeats; repeat += 1) {
      ours.push(await run(plan.secondsOfEach, arrivals, viaOutbox(outbox)));
      bare.push(await run(plan.secondsOfEach, arrivals, viaClient(producer)));
      const p99 = (side: number[][]) => percentile(side.at(-1) ?? [], 0.99).toFixed(1);
      plan.tell(`latency, ${repeat} of ${plan.repeats}: p99 ${p99(ours)} ms, bare ${p99(bare)} ms`);
    }
  } finally {
    await consumer.disconnect(); // it would begin again, for good, after an outage
    await relay.stop();
    await outbox.close();
  }
  const at = (side: number[][], share: number) => side.map((one) => percentile(one, share));
  const both = (side: number[][]) => {
    return { p50Ms: measure(at(side, 0.5)), p99Ms: measure(at(side, 0.99)) };
  };
  const p99Ratio = ratioOf(at(ours, 0.99), at(bare, 0.99));
  return { eventsPerSecond, ours: both(ours), bare: both(bare), p99Ratio };
}

type Send = (event: { key: string; value: Buffer }) => Promise<unknown>;

/** Measured from before the call: accepting is part of the way. */
const viaOutbox =
  (outbox: Outbox): Send =>
  (event) =>
    outbox.publish({ topic, ...event });
const viaClient =
  (producer: Producer): Send =>
  (event) =>
    producer.send({ topic, acks: -1, messages: [event] });

let number = 0;

/** Sends at the pace for some seconds; resolves with every event's way in milliseconds. */
async function run(seconds: number, arrivals: Arrivals, send: Send): Promise<number[]> {
  const count = Math.round(seconds * eventsPerSecond);
  const sentAt = new Map<number, number>();
  const startedMs = performance.now();
  const sends: Promise<unknown>[] = [];
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, ((performance.now() - startedMs) / 1_000) * eventsPerSecond);
    for (; sent < due; sent += 1) {
      number += 1;
      sentAt.set(number, performance.now());
      sends.push(send(rawEvent(number)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(sends);
  return arrivals.waysOf(sentAt);
}

class Arrivals {
  readonly #at = new Map<number, number>();

  static async start(consumer: Consumer): Promise<Arrivals> {
    const arrivals = new Arrivals();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachBatch: async ({ batch }) => {
        const now = performance.now();
        for (const { value } of batch.messages) {
          if (value !== null) arrivals.#at.set(value.readDoubleBE(), now);
        }
      },
    });
    return arrivals;
  }

  async waysOf(sentAt: ReadonlyMap<number, number>): Promise<number[]> {
    const endMs = performance.now() + 30_000;
    while ([...sentAt.keys()].some((one) => !this.#at.has(one))) {
      if (performance.now() > endMs) throw new Error('events did not arrive within 30 s');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const ways = [...sentAt].map(([one, ms]) => (this.#at.get(one) as number) - ms);
    this.#at.clear();
    return ways;
  }
}

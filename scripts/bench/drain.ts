/**
 * Draining a backlog: ours from the file through BullMQ, the bare client from memory, one after
 * the other, so that what happens to the machine happens to both.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Producer } from 'kafkajs';
import { createRelay, openOutbox } from '../../src/index.ts';
import { sendAll } from './bare.ts';
import { rawEvent, rawEvents } from './events.ts';
import type { Services } from './services.ts';
import { type Measure, measure, ratioOf } from './statistics.ts';

export interface DrainPoint {
  readonly backlog: number;
  readonly oursPerSecond: Measure;
  readonly barePerSecond: Measure;
  readonly ratio: Measure;
  /** All repeats together, of each side. */
  readonly secondsOfEach: number;
}

export interface DrainPlan {
  readonly folder: string;
  readonly services: Services;
  readonly repeats: number;
  /** Seconds that all repeats of one side take together, at least. */
  readonly secondsMin: number;
  readonly tell: (text: string) => void;
}

const topic = 'drain';

/** Drains `backlog` events so often that the point has its seconds. */
export async function measureDrain(backlog: number, plan: DrainPlan): Promise<DrainPoint> {
  const template = join(plan.folder, `template-${backlog}.db`);
  await fill(template, backlog);
  const producer = await plan.services.kafka.producer();
  const ours: number[] = [];
  const bare: number[] = [];
  let secondsOfEach = Number.POSITIVE_INFINITY;
  const sides = { ours: 0, bare: 0 };
  // A first pair that is not counted: connections, caches, the compiler.
  await drainOurs(template, backlog, plan);
  await drainBare(producer, backlog, plan);
  for (let repeat = 1; repeat <= plan.repeats; repeat += 1) {
    const secondsMin = plan.secondsMin / plan.repeats;
    const mine = await repeated(secondsMin, () => drainOurs(template, backlog, plan));
    const theirs = await repeated(secondsMin, () => drainBare(producer, backlog, plan));
    ours.push((mine.times * backlog) / mine.seconds);
    bare.push((theirs.times * backlog) / theirs.seconds);
    sides.ours += mine.seconds;
    sides.bare += theirs.seconds;
    secondsOfEach = Math.min(sides.ours, sides.bare);
    const rates = `${Math.round(ours.at(-1) ?? 0)}/s, bare ${Math.round(bare.at(-1) ?? 0)}/s`;
    plan.tell(`drain ${backlog}, ${repeat} of ${plan.repeats}: ${rates}`);
  }
  rmSync(template);
  return {
    backlog,
    oursPerSecond: measure(ours),
    barePerSecond: measure(bare),
    ratio: ratioOf(ours, bare),
    secondsOfEach,
  };
}

async function repeated(secondsMin: number, once: () => Promise<number>) {
  let seconds = 0;
  let times = 0;
  while (times === 0 || seconds < secondsMin) {
    seconds += await once();
    times += 1;
  }
  return { seconds, times };
}

async function fill(path: string, count: number): Promise<void> {
  const outbox = openOutbox({ path });
  for (let from = 0; from < count; from += 1_000) {
    const group = Array.from({ length: Math.min(1_000, count - from) }, (_, index) => {
      return { topic, ...rawEvent(from + index) };
    });
    outbox.enqueueMany(group);
  }
  await outbox.close(); // the last connection: the file is whole without its WAL
}

/** Seconds from `start()` to nothing pending. */
async function drainOurs(template: string, backlog: number, plan: DrainPlan): Promise<number> {
  const db = join(plan.folder, 'drain.db');
  copyFileSync(template, db);
  const { brokers, redis, kafka } = plan.services;
  await kafka.createTopic(topic);
  const relay = createRelay({ db, brokers: [brokers], redis });
  let left = backlog;
  const drained = new Promise<void>((resolve) => {
    relay.on('delivered', ({ count }) => {
      left -= count;
      if (left <= 0) resolve();
    });
  });
  const startedMs = performance.now();
  await relay.start();
  await drained;
  const seconds = (performance.now() - startedMs) / 1_000;
  await relay.stop();
  await expectAll(backlog, plan);
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${db}${suffix}`, { force: true });
  return seconds;
}

async function drainBare(producer: Producer, backlog: number, plan: DrainPlan): Promise<number> {
  await plan.services.kafka.createTopic(topic);
  const startedMs = performance.now();
  await sendAll(producer, topic, rawEvents(backlog));
  const seconds = (performance.now() - startedMs) / 1_000;
  await expectAll(backlog, plan);
  return seconds;
}

/** A side that loses or repeats an event has no rate. */
async function expectAll(backlog: number, { services }: DrainPlan): Promise<void> {
  const count = await services.kafka.count(topic);
  await services.kafka.deleteTopic(topic);
  if (count !== backlog) throw new Error(`Kafka has ${count} events of ${backlog}`);
}

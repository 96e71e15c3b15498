/**
 * Draining a backlog: ours from the file through BullMQ, the bare client from memory, one after
 * the other, so that what happens to the machine happens to both.
 */
import { closeSync, copyFileSync, fsyncSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Producer } from 'kafkajs';
import { isWatermarkFault } from '../../src/core/watermark-fault.ts';
import { createRelay, openOperator, openOutbox } from '../../src/index.ts';
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
  /** Whether our records carry headers, which the bare client's do not. Default: they do. */
  readonly headers?: boolean;
  /** Default: at least once. */
  readonly delivery?: 'exactly-once';
}

/** The topic of all drains: made for each and removed after it. */
export const drainTopic = 'drain';

/** What is measured beside us: drains as many events once and resolves with the seconds. */
export interface Other {
  readonly name: string;
  drain(): Promise<number>;
}

/** Drains `backlog` events so often that the point has its seconds. */
export async function measureDrain(backlog: number, plan: DrainPlan): Promise<DrainPoint> {
  const producer = await plan.services.kafka.producer();
  const bare = { name: 'bare', drain: () => drainBare(producer, backlog, plan) };
  const { ours, others, secondsOfEach } = await alternate(backlog, bare, plan);
  return {
    backlog,
    oursPerSecond: measure(ours),
    barePerSecond: measure(others),
    ratio: ratioOf(ours, others),
    secondsOfEach,
  };
}

/** Events a second of each repeat, ours and the other's. */
export async function alternate(
  backlog: number,
  other: Other,
  plan: DrainPlan & { readonly template?: string },
) {
  const template = plan.template ?? join(plan.folder, `template-${backlog}.db`);
  if (plan.template === undefined) await fill(template, backlog);
  const ours: number[] = [];
  const others: number[] = [];
  const seconds = { ours: 0, others: 0 };
  // A first pair that is not counted: connections, caches, the compiler.
  await drainFrom(template, backlog, plan);
  await other.drain();
  for (let repeat = 1; repeat <= plan.repeats; repeat += 1) {
    const secondsMin = plan.secondsMin / plan.repeats;
    const mine = await repeated(secondsMin, () => drainFrom(template, backlog, plan));
    const theirs = await repeated(secondsMin, () => other.drain());
    ours.push((mine.times * backlog) / mine.seconds);
    others.push((theirs.times * backlog) / theirs.seconds);
    seconds.ours += mine.seconds;
    seconds.others += theirs.seconds;
    const [rate, otherRate] = [ours, others].map((side) => `${Math.round(side.at(-1) ?? 0)}/s`);
    plan.tell(
      `drain ${backlog}, ${repeat} of ${plan.repeats}: ${rate}, ${other.name} ${otherRate}`,
    );
  }
  rmSync(template);
  return { ours, others, secondsOfEach: Math.min(seconds.ours, seconds.others) };
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

/** Adds a backlog to a file, which is made if need be. */
export async function fill(path: string, count: number): Promise<void> {
  const outbox = openOutbox({ path });
  for (let from = 0; from < count; from += 1_000) {
    const group = Array.from({ length: Math.min(1_000, count - from) }, (_, index) => {
      return { topic: drainTopic, ...rawEvent(from + index) };
    });
    outbox.enqueueMany(group);
  }
  await outbox.close(); // the last connection: the file is whole without its WAL
}

/** Drains a copy of the file: seconds from `start()` to nothing pending. */
export async function drainFrom(
  template: string,
  backlog: number,
  plan: DrainPlan,
): Promise<number> {
  const db = join(plan.folder, 'drain.db');
  copyFileSync(template, db);
  sync(db);
  const { brokers, redis, kafka } = plan.services;
  await kafka.createTopic(drainTopic);
  const { headers = true, delivery = 'at-least-once' } = plan;
  if (delivery === 'exactly-once') forgetLastDrain(db);
  const relay = createRelay({ db, brokers: [brokers], redis, headers, delivery });
  let left = backlog;
  const drained = new Promise<void>((resolve, reject) => {
    relay.on('delivered', ({ count }) => {
      left -= count;
      if (left <= 0) resolve();
    });
    // Nothing but an operator ends such a wait.
    relay.on('laneFailed', ({ failure }) => {
      if (isWatermarkFault(failure.code)) reject(new Error(failure.message));
    });
  });
  const startedMs = performance.now();
  await Promise.all([relay.start(), drained]);
  const seconds = (performance.now() - startedMs) / 1_000;
  await relay.stop();
  await expectAll(backlog, plan);
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${db}${suffix}`, { force: true });
  return seconds;
}

/** To Kafka each copy is the same outbox, restored from before the last drain. */
function forgetLastDrain(db: string): void {
  const operator = openOperator(db);
  operator.resetWatermarks({ reason: 'a new copy' });
  operator.close();
}

/** The copy's own writes must be over before the clock starts: a large file has many. */
function sync(path: string): void {
  const file = openSync(path, 'r+');
  fsyncSync(file);
  closeSync(file);
}

async function drainBare(producer: Producer, backlog: number, plan: DrainPlan): Promise<number> {
  await plan.services.kafka.createTopic(drainTopic);
  const startedMs = performance.now();
  await sendAll(producer, drainTopic, rawEvents(backlog));
  const seconds = (performance.now() - startedMs) / 1_000;
  await expectAll(backlog, plan);
  return seconds;
}

/** A side that loses or repeats an event has no rate. */
export async function expectAll(backlog: number, plan: DrainPlan): Promise<void> {
  const { services, delivery } = plan;
  const { kafka } = services;
  // Each commit of a transaction takes an offset, too.
  const isOnce = delivery === 'exactly-once';
  const count = await (isOnce ? kafka.countCommitted(drainTopic) : kafka.count(drainTopic));
  await services.kafka.deleteTopic(drainTopic);
  if (count !== backlog) throw new Error(`Kafka has ${count} events of ${backlog}`);
}

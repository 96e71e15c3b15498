/** Accepting events: commits a second, and events a second when a commit is shared. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Outbox, openOutbox } from '../../src/index.ts';
import { rawEvent } from './events.ts';
import { type Measure, measure, ratioOf } from './statistics.ts';

export interface AcceptPlan {
  readonly folder: string;
  readonly repeats: number;
  readonly secondsOfEach: number;
}

export interface AcceptRates {
  readonly singleCommits: Measure;
  readonly hundredInTransaction: Measure;
  readonly publish64Callers: Measure;
  /** publish by 64 callers ÷ single commits */
  readonly groupCommitRatio: Measure;
}

const callers = 64;
let number = 0;

function next() {
  number += 1;
  return { topic: 'accept', ...rawEvent(number) };
}

export async function measureAccepting(plan: AcceptPlan): Promise<AcceptRates> {
  const path = join(plan.folder, 'accept.db');
  const outbox = openOutbox({ path });
  const rates = { single: [] as number[], hundred: [] as number[], publish: [] as number[] };
  for (let repeat = 0; repeat < plan.repeats; repeat += 1) {
    rates.single.push(await rate(plan.secondsOfEach, () => one(outbox)));
    rates.hundred.push(await rate(plan.secondsOfEach, () => hundred(outbox)));
    rates.publish.push(await publishing(plan.secondsOfEach, outbox));
  }
  await outbox.close();
  rmSync(path);
  return {
    singleCommits: measure(rates.single),
    hundredInTransaction: measure(rates.hundred),
    publish64Callers: measure(rates.publish),
    groupCommitRatio: ratioOf(rates.publish, rates.single),
  };
}

async function rate(seconds: number, accept: () => number): Promise<number> {
  const startedMs = performance.now();
  let events = 0;
  while (performance.now() - startedMs < seconds * 1_000) events += accept();
  return (events * 1_000) / (performance.now() - startedMs);
}

function one(outbox: Outbox): number {
  outbox.enqueue(next());
  return 1;
}

function hundred(outbox: Outbox): number {
  outbox.transaction(() => {
    for (let count = 0; count < 100; count += 1) outbox.enqueue(next());
  });
  return 100;
}

/** Each caller publishes again as soon as its event is durable. */
async function publishing(seconds: number, outbox: Outbox): Promise<number> {
  const startedMs = performance.now();
  let events = 0;
  const caller = async () => {
    while (performance.now() - startedMs < seconds * 1_000) {
      await outbox.publish(next());
      events += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (events * 1_000) / (performance.now() - startedMs);
}

/**
 * Beside us, on the same broker and in the same run, the outbox that npm has for PostgreSQL:
 * pg-transactional-outbox. Where there is no PostgreSQL the benchmark goes on without it.
 */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Endings } from '../../demo/endings.ts';
import { alternate, type DrainPlan, drainTopic, expectAll } from '../drain.ts';
import { rawEvents } from '../events.ts';
import { type Measure, measure, ratioOf } from '../statistics.ts';
import type { Account } from './account.ts';
import { Delivery } from './delivery.ts';
import type { ListenerName } from './listeners.ts';
import { measureOutage } from './outage.ts';
import { RivalOutbox } from './outbox.ts';
import { NoRival, startPostgres } from './postgres.ts';
import { eventsPerSecond } from './publishing.ts';
import { ourSide, rivalSide } from './sides.ts';

export interface RivalPlan extends DrainPlan {
  readonly endings: Endings;
  readonly backlog: number;
  readonly outageSeconds: number;
}

export interface Rival {
  /** Name and version of the package, and of PostgreSQL. */
  readonly package: string;
  readonly postgres: string;
  readonly rate: {
    readonly backlog: number;
    readonly oursPerSecond: Measure;
    readonly rivalPerSecond: Measure;
    /** ours ÷ rival */
    readonly ratio: Measure;
  };
  /** One outage of each, the same for all; the rival with either of its listeners. */
  readonly outage: {
    readonly seconds: number;
    readonly eventsPerSecond: number;
    readonly ours: Account;
    readonly replication: Account;
    readonly polling: Account;
  };
}

const packageName = 'pg-transactional-outbox';
const drainMaxMs = 300_000;

/** The figures, or why there are none. */
export type RivalOutcome =
  | { readonly rival: Rival; readonly rivalAbsence: null }
  | { readonly rival: null; readonly rivalAbsence: string };

/** It is measured last, so that no failure of it takes the other figures along. */
export function measureRival(plan: RivalPlan): Promise<RivalOutcome> {
  return outcomeOf(() => measureBoth(plan), plan.tell);
}

/** Every way in which a part of the process can fail that nobody waits for. */
const strayNames = ['uncaughtException', 'unhandledRejection'] as const;

/**
 * The figures, or why there are none, whatever goes wrong. Its listener drains in this process, and
 * 0.5.7 can leave a rejection that nobody handles; what it leaves later is only told.
 */
export async function outcomeOf(
  measure: () => Promise<Rival>,
  tell: (text: string) => void,
  strays: EventEmitter = process,
): Promise<RivalOutcome> {
  const { promise: stray, reject } = Promise.withResolvers<never>();
  const lose = (reason: unknown) => {
    tell(`left by ${packageName}: ${reasonOf(reason)}`);
    reject(reason);
  };
  for (const name of strayNames) strays.on(name, lose);
  try {
    const rival = await Promise.race([measure(), stray]);
    for (const name of strayNames) strays.off(name, lose);
    return { rival, rivalAbsence: null };
  } catch (error) {
    const rivalAbsence = reasonOf(error);
    tell(`without ${packageName}: ${rivalAbsence}`);
    return { rival: null, rivalAbsence };
  }
}

/** Of connections that failed at several addresses the text is empty. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

async function measureBoth(plan: RivalPlan): Promise<Rival> {
  const { connection, version } = await startPostgres(plan.endings);
  const outbox = new RivalOutbox(connection);
  plan.endings.add(packageName, () => outbox.close());
  const rate = await measureRate(outbox, plan);
  const outage = await measureOutages(outbox, plan);
  return { package: `${packageName} ${packageVersion()}`, postgres: version, rate, outage };
}

function packageVersion(): string {
  const require = createRequire(import.meta.url);
  return (require(`${packageName}/package.json`) as { version: string }).version;
}

async function measureRate(outbox: RivalOutbox, plan: RivalPlan): Promise<Rival['rate']> {
  const { backlog } = plan;
  const rival = { name: packageName, drain: () => drainRival(outbox, plan) };
  const { ours, others } = await alternate(backlog, rival, plan);
  const ratio = ratioOf(ours, others);
  return { backlog, oursPerSecond: measure(ours), rivalPerSecond: measure(others), ratio };
}

/** Seconds from the start of its listener to nothing waiting. */
async function drainRival(outbox: RivalOutbox, plan: RivalPlan): Promise<number> {
  const { backlog, services } = plan;
  await services.kafka.createTopic(drainTopic);
  await outbox.renew('replication');
  await outbox.acceptAll([...rawEvents(backlog)]);
  const { database, listener } = outbox;
  const startedMs = performance.now();
  const elapsedMs = () => performance.now() - startedMs;
  const delivery = await Delivery.start({
    database,
    broker: services.brokers,
    topic: drainTopic,
    listener,
  });
  let seconds = 0;
  try {
    // What waits is asked for only when all was sent: counting rows would slow it down.
    while (delivery.sent < backlog || (await outbox.waiting()) > 0) {
      if (elapsedMs() > drainMaxMs) throw new NoRival(`it sent ${delivery.sent} of ${backlog}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    seconds = elapsedMs() / 1_000;
  } finally {
    await delivery.stop();
  }
  await expectAll(backlog, plan);
  return seconds;
}

async function measureOutages(outbox: RivalOutbox, plan: RivalPlan): Promise<Rival['outage']> {
  const withListener = async (listener: ListenerName) => {
    await outbox.renew(listener);
    return measureOutage(rivalSide(outbox, plan), plan);
  };
  return {
    seconds: plan.outageSeconds,
    eventsPerSecond,
    ours: await measureOutage(ourSide(plan), plan),
    replication: await withListener('replication'),
    polling: await withListener('polling'),
  };
}

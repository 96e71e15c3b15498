/** A whole relay on a clock that is moved by hand: a file of its own, and a Kafka in memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RetryPolicy } from '../../src/core/retry.ts';
import { openSqliteOutbox, type SqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import type { OutboxStore } from '../../src/outbox/store.ts';
import { createRelayEmitter, type RelayEvents } from '../../src/relay/events.ts';
import type { GovernorRates } from '../../src/relay/governor.ts';
import type { Delivery, DrainStep } from '../../src/relay/lane-parts.ts';
import { RelayCore } from '../../src/relay/relay.ts';
import type { SendFailure } from '../../src/sink/driver.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import { choosePartition } from '../../src/sink/partitioner.ts';
import { createInProcessTrigger } from '../../src/trigger/in-process.ts';
import type { DrainHandler, TriggerEvents } from '../../src/trigger/trigger.ts';
import { FakeClock } from './clock.ts';
import { encodedEvent } from './encoded.ts';
import { runSql } from './sql.ts';

/** Removed when the process ends. */
const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

function openOutbox(lanes: number, clock: FakeClock): SqliteOutbox {
  files += 1;
  const path = join(folder, `${files}.db`);
  return openSqliteOutbox({ path }, { clock, schema: 'auto', lanes });
}

/** What a driver says of a send. */
export const failure = (kind: SendFailure['kind'], code: string): SendFailure => {
  return { kind, code, message: code, topic: null, cause: null };
};

/** `a:1`, `b:2`, …: for {@link RelayBench.appendKeyed}. */
export const keyed = (...keys: string[]) => keys.map((key, index) => `${key}:${index + 1}`);

export interface BenchOptions {
  readonly lanes?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly batchEvents?: number;
  readonly leaseMs?: number;
  readonly governor?: GovernorRates;
  readonly order?: 'block' | 'continue';
  readonly deadLetterTopic?: string;
  readonly delivery?: Delivery;
  /** Shared by several relays: what would be one file. */
  readonly beside?: RelayBench;
}

export class RelayBench {
  readonly clock: FakeClock;
  readonly driver: MemoryDriver;
  readonly outbox: SqliteOutbox;
  readonly emitter = createRelayEmitter();
  readonly store: OutboxStore;
  readonly core: RelayCore;
  /** What the trigger calls for a lane. */
  handler: DrainHandler | null = null;
  /** Called at every step of a drain. */
  onStep: (step: DrainStep, lane: number) => void | Promise<void> = () => {};

  constructor(options: BenchOptions = {}) {
    const { beside, lanes = 1, batchEvents = 10, leaseMs = 30_000 } = options;
    const { order = 'block', deadLetterTopic = null } = options;
    this.clock = beside?.clock ?? new FakeClock();
    this.driver = beside?.driver ?? new MemoryDriver();
    this.outbox = beside?.outbox ?? openOutbox(lanes, this.clock);
    this.store = this.outbox.openStore();
    const fixed = { retries: 60, delayMs: 5_000, backoff: 'fixed', maxDelayMs: 60_000, jitter: 0 };
    const retry = { ...fixed, ...options.retry } as RetryPolicy;
    this.core = new RelayCore({
      store: this.store,
      driver: this.driver,
      clock: this.clock,
      emitter: this.emitter,
      createPrimary: (events: TriggerEvents) => {
        const trigger = createInProcessTrigger({ lanes, retry, clock: this.clock, events });
        const start = trigger.start.bind(trigger);
        trigger.start = (handler) => {
          this.handler = handler;
          return start(handler);
        };
        return trigger;
      },
      createFallback: null,
      partitioner: choosePartition,
      retry,
      bounds: { events: batchEvents, bytes: 1_000_000, partitionBytes: 1_000_000 },
      source: null,
      sendTimeoutMs: 20_000,
      leaseMs,
      pollMs: 25,
      drainSliceMs: 5_000,
      retentionMs: 3_600_000,
      logsIn: false,
      onStep: (step, lane) => this.onStep(step, lane),
      governor: options.governor ?? { eventsPerSecond: null, bytesPerSecond: null },
      delivery: options.delivery ?? 'at-least-once',
      deadLetter: { deadBlocks: order === 'block', deadLetterTopic },
    });
  }

  append(topic: string, ...values: string[]): void {
    this.outbox.appender.append(
      values.map((value) => encodedEvent({ topic, value: Buffer.from(value) })),
    );
  }

  /** Of one topic, each with a key of its own: `key:text`, as a value too. */
  appendKeyed(topic: string, ...values: string[]): void {
    this.outbox.appender.append(
      values.map((text) => {
        const key = Buffer.from(text.split(':')[0] as string);
        return encodedEvent({
          topic,
          key,
          value: Buffer.from(text),
          createdAtMs: this.clock.now(),
        });
      }),
    );
  }

  appendKeyless(topic: string, value: string): void {
    this.outbox.appender.append([encodedEvent({ topic, key: null, value: Buffer.from(value) })]);
  }

  /** As another process would: on a connection of its own. */
  sql(text: string): unknown[] {
    return runSql(this.outbox.path, text);
  }

  /** What is held, in its order. */
  held(columns: string): Record<string, unknown>[] {
    return this.sql(`SELECT ${columns} FROM outbox_held ORDER BY seq`) as Record<string, unknown>[];
  }

  appendTo(topic: string, partition: number, value: string): void {
    const event = encodedEvent({ topic, partition, key: null, value: Buffer.from(value) });
    this.outbox.appender.append([event]);
  }

  /** What Kafka has of a topic, in the order in which it was written. */
  written(topic: string): string[] {
    return this.driver.recordsOf(topic).map(({ value }) => String(value));
  }

  /** Everything a relay said under one name. */
  listen<K extends keyof RelayEvents>(name: K): RelayEvents[K][0][] {
    const heard: RelayEvents[K][0][] = [];
    this.emitter.on(name, ((fact: RelayEvents[K][0]) => heard.push(fact)) as never);
    return heard;
  }

  /** Stops the relay while time passes; rejects as `stop` does. */
  async stop(deadlineMs = 1_000): Promise<void> {
    const stopped = this.core.stop(deadlineMs);
    stopped.catch(() => {}); // the caller gets it below
    await this.clock.advance(deadlineMs);
    await stopped;
  }
}

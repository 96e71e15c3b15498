/**
 * A relay, and a Kafka in memory that refuses, goes away and loses commits, as random steps say.
 */
import fc from 'fast-check';
import type { SendFailure, SinkRecord } from '../../src/sink/driver.ts';
import type { CommitFault } from '../../src/sink/memory-transactions.ts';
import { type BenchOptions, RelayBench } from './relay-bench.ts';

export const topics = ['orders', 'bills'] as const;
export const keys = ['a', 'b', 'c'] as const;
type Topic = (typeof topics)[number];

interface Given {
  readonly key: string;
  /** Whether Kafka refuses it, for now. */
  readonly refused: boolean;
}

export type Step =
  | { readonly do: 'append'; readonly topic: Topic; readonly events: readonly Given[] }
  | { readonly do: 'forgive' }
  | { readonly do: 'close' | 'open' | 'pause' | 'resume'; readonly topic: Topic }
  | { readonly do: 'goAway' | 'comeBack' | 'restart' }
  | { readonly do: 'commit'; readonly fault: CommitFault }
  | { readonly do: 'wait'; readonly ms: number };

const topic = fc.constantFrom(...topics);
const given = fc.record({
  key: fc.constantFrom(...keys),
  refused: fc.integer({ min: 0, max: 5 }).map((drawn) => drawn === 0),
});
export const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        topic,
        events: fc.array(given, { minLength: 1, maxLength: 8 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('wait' as const),
        ms: fc.integer({ min: 10, max: 8_000 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forgive' as const) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('close' as const, 'open', 'open', 'pause', 'resume', 'resume'),
        topic,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('goAway' as const, 'comeBack', 'comeBack', 'restart'),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('commit' as const),
        fault: fc.constantFrom('lost' as const, 'unheard'),
      }),
    },
  ),
  { minLength: 10, maxLength: 40 },
);

/** What has become of the steps. */
export class RelayWorld {
  bench: RelayBench;
  readonly #options: BenchOptions;
  readonly appended: string[] = [];
  /** What was taken for impossible, and came all the same. */
  readonly broken: string[] = [];
  readonly #refused = new Set<string>();
  readonly #closed = new Set<string>();
  /** Of the next commits, in their order. */
  readonly #faults: CommitFault[] = [];

  constructor(options: BenchOptions = {}) {
    const retry = { retries: 1_000, delayMs: 1_000 };
    this.#options = { lanes: 2, batchEvents: 2, retry, ...options };
    this.bench = new RelayBench(this.#options);
    this.#listen();
    this.bench.driver.interceptCommits(() => this.#faults.shift() ?? null);
    this.bench.driver.interceptSends(async (records) => this.#answer(records));
  }

  #listen(): void {
    this.bench.emitter.on('warning', ({ code, message }) => {
      if (code === 'INVARIANT_BROKEN') this.broken.push(message);
    });
  }

  #answer(records: readonly SinkRecord[]): SendFailure | null {
    const failure = (kind: SendFailure['kind'], code: string): SendFailure => {
      return { kind, code, message: code, topic: null, cause: null };
    };
    if (records.some((record) => this.#closed.has(record.topic))) {
      return failure('refused-topic', 'TOPIC_AUTHORIZATION_FAILED');
    }
    const refused = records.some(({ value }) => this.#refused.has(String(value)));
    return refused ? failure('refused-record', 'INVALID_RECORD') : null;
  }

  async take(step: Step): Promise<void> {
    const { bench } = this;
    switch (step.do) {
      case 'append':
        for (const one of step.events) this.#append(step.topic, one);
        return;
      case 'forgive':
        return this.#refused.clear();
      case 'close':
        this.#closed.add(step.topic);
        return;
      case 'open':
        this.#closed.delete(step.topic);
        return;
      case 'pause':
        bench.sql(`INSERT OR IGNORE INTO outbox_pauses VALUES ('${step.topic}', 0)`);
        bench.sql('UPDATE outbox_lanes SET held_revision = held_revision + 1');
        return;
      case 'resume':
        return this.#resume(step.topic);
      case 'goAway':
        return bench.driver.goAway();
      case 'comeBack':
        return bench.driver.comeBack();
      case 'restart':
        return this.#restart();
      case 'commit':
        this.#faults.push(step.fault);
        return;
      case 'wait':
        return bench.clock.advance(step.ms);
    }
  }

  #append(name: Topic, { key, refused }: Given): void {
    const text = `${key}:${name}:${this.appended.length}`;
    this.appended.push(text);
    if (refused) this.#refused.add(text);
    this.bench.appendKeyed(name, text);
  }

  #resume(name: Topic): void {
    this.bench.sql(`DELETE FROM outbox_pauses WHERE topic = '${name}'`);
    this.bench.sql(`UPDATE outbox_stops SET next_attempt_at = 0 WHERE topic = '${name}'
      AND next_attempt_at IS NULL AND draining = 0`);
    this.bench.sql('UPDATE outbox_lanes SET held_revision = held_revision + 1');
  }

  async #restart(): Promise<void> {
    const next = new RelayBench({ ...this.#options, beside: this.bench });
    await this.bench.stop();
    this.bench = next;
    this.#listen();
    await next.core.start();
  }

  async calmDown(): Promise<void> {
    this.#refused.clear();
    this.#closed.clear();
    this.#faults.length = 0;
    this.bench.driver.comeBack();
    for (const name of topics) this.#resume(name);
    await this.bench.clock.advance(60_000);
  }

  /** What was accepted of one key of a topic, in order. */
  accepted(name: string, key: string): string[] {
    return this.appended.filter((text) => text.startsWith(`${key}:${name}:`));
  }

  /** Of one key of a topic, repeats included. */
  delivered(name: string, key: string): string[] {
    return this.bench.written(name).filter((text) => text.startsWith(`${key}:`));
  }
}

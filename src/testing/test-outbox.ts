/**
 * A whole outbox in a test, without Docker.
 *
 * The file, the transactions and the relay are the real ones; Kafka is an array in memory that
 * passes the contract suite a real broker passes, and can go away and come back.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRelay, type OutboxSource, openOutbox, type Relay } from '../app.ts';
import { pause, systemClock } from '../core/clock.ts';
import type { AnyTopics } from '../core/event.ts';
import { TestTimeoutError } from '../core/testing-errors.ts';
import type { Outbox } from '../enqueue/outbox.ts';
import type { SinkRecord } from '../sink/driver.ts';
import { MemoryDriver } from '../sink/memory.ts';

/** A record as a consumer would get it. */
export interface DeliveredEvent {
  readonly topic: string;
  readonly partition: number;
  /** As text; `null` without a key. */
  readonly key: string | null;
  /** `null` for a tombstone. */
  readonly value: Buffer | null;
  /** The value parsed as JSON. Throws a SyntaxError when it is none. */
  json(): unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a test may choose. */
export interface TestOutboxOptions {
  /** The application's own handle or file. Default: a file in a temporary folder. */
  readonly source?: OutboxSource;
  /** Partitions of every topic, 1 or more. Default: 3. */
  readonly partitions?: number;
}

/** How long a test waits. */
export interface WaitOptions {
  /** Default: 5,000 ms. */
  readonly timeoutMs?: number;
}

const timeoutMsDefault = 5_000;
const askEveryMs = 5;

/** An outbox, its relay, and a Kafka in memory that can go away. */
export class TestOutbox<Topics extends object = AnyTopics> {
  readonly outbox: Outbox<Topics>;
  readonly relay: Relay;
  readonly #driver: MemoryDriver;
  readonly #cleanUp: () => void;

  /** Use {@link createTestOutbox}. */
  constructor(parts: {
    readonly outbox: Outbox<Topics>;
    readonly relay: Relay;
    readonly driver: MemoryDriver;
    readonly cleanUp: () => void;
  }) {
    this.outbox = parts.outbox;
    this.relay = parts.relay;
    this.#driver = parts.driver;
    this.#cleanUp = parts.cleanUp;
  }

  /** The SQLite file. */
  get path(): string {
    return this.outbox.path;
  }

  /** What has arrived, of one topic or of all: per partition in order. */
  delivered(topic?: string): DeliveredEvent[] {
    const topics = topic === undefined ? this.#driver.topics() : [topic];
    return topics.flatMap((name) => this.#driver.recordsOf(name).map(toDelivered));
  }

  /**
   * Waits until that many events have arrived, or until `enough` says so, and gives them.
   * @throws (rejects with) TEST_TIMEOUT after `timeoutMs`, which tells what had arrived
   */
  async waitFor(
    enough: number | ((delivered: readonly DeliveredEvent[]) => boolean),
    { timeoutMs = timeoutMsDefault }: WaitOptions = {},
  ): Promise<DeliveredEvent[]> {
    const isEnough =
      typeof enough === 'number' ? (all: readonly unknown[]) => all.length >= enough : enough;
    const endMs = systemClock.monotonic() + timeoutMs;
    for (;;) {
      const delivered = this.delivered();
      if (isEnough(delivered)) return delivered;
      if (systemClock.monotonic() >= endMs) {
        const places = delivered.map(({ topic, key }) => `${topic}/${key}`).join(', ') || 'nothing';
        throw new TestTimeoutError(`not within ${timeoutMs} ms; there was ${places}`);
      }
      await pause(systemClock, askEveryMs);
    }
  }

  /** From now on nobody reaches Kafka; accepting goes on. */
  kafkaDown(): void {
    this.#driver.goAway();
  }

  /** Kafka answers again; what waited is delivered at once. */
  kafkaUp(): void {
    this.#driver.comeBack();
  }

  /** Stops the relay, closes the outbox, removes the temporary file. An own handle stays open. */
  async close(): Promise<void> {
    try {
      await this.relay.stop();
    } finally {
      await this.outbox.close();
      this.#cleanUp();
    }
  }

  /** As `close`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Opens an outbox and starts a relay for it. Times are short: an event arrives within some 10 ms.
 * @throws what `openOutbox` throws
 */
export async function createTestOutbox<Topics extends object = AnyTopics>(
  options: TestOutboxOptions = {},
): Promise<TestOutbox<Topics>> {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-test-'));
  const cleanUp = () => rmSync(folder, { recursive: true, force: true });
  try {
    const source = options.source ?? { path: join(folder, 'outbox.db') };
    const outbox = openOutbox<Topics>(source);
    const driver = new MemoryDriver({ createPartitions: options.partitions ?? 3 });
    const relay = createRelay(
      { db: outbox.path, brokers: ['memory:9092'], pollMs: 5, retry: { retries: 0, delayMs: 100 } },
      { createDriver: () => driver },
    );
    try {
      await relay.start();
    } catch (error) {
      await outbox.close();
      throw error;
    }
    return new TestOutbox({ outbox, relay, driver, cleanUp });
  } catch (error) {
    cleanUp();
    throw error;
  }
}

function toDelivered({ topic, partition, key, value, headers }: SinkRecord): DeliveredEvent {
  const bytes = value === null ? null : Buffer.from(value);
  return {
    topic,
    partition,
    key: key === null ? null : Buffer.from(key).toString(),
    value: bytes,
    json: () => JSON.parse(bytes?.toString() ?? 'null') as unknown,
    headers: Object.fromEntries(
      headers.map(([name, one]) => [name, one === null ? '' : Buffer.from(one).toString()]),
    ),
  };
}

/**
 * A scene for relay tests: an outbox in a folder of its own, events that are remembered outside of
 * it, and the account at the end: lost, duplicated, reordered.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoggerOption } from '../../src/app.ts';
import type { RelayOptions } from '../../src/index.ts';
import {
  createRelay,
  type Outbox,
  openOutbox,
  type Relay,
  type RelayHooks,
} from '../../src/index.ts';
import {
  type AcceptedEvent,
  acceptedEvent,
  checkDelivery,
  type Findings,
} from '../../src/testing/checker.ts';
import type { Witness } from './java-consumer.ts';
import type { Consumed } from './kafka.ts';
import { until } from './wait.ts';

export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'outbox-relay-'));
  readonly db = join(this.folder, 'outbox.db');
  readonly topic = `t-${randomUUID()}`;
  readonly accepted: AcceptedEvent[] = [];
  readonly #cleanups: (() => Promise<unknown> | unknown)[] = [];
  readonly #lanes: number | undefined;
  #outbox: Outbox | null = null;
  #count = 0;

  constructor(lanes?: number) {
    this.#lanes = lanes;
  }

  get outbox(): Outbox {
    const lanes = this.#lanes === undefined ? {} : { lanes: this.#lanes };
    this.#outbox ??= openOutbox({ path: this.db }, lanes);
    return this.#outbox;
  }

  /** Runs when the scene is closed, the last one first. */
  onClose(cleanup: () => Promise<unknown> | unknown): void {
    this.#cleanups.push(cleanup);
  }

  /** Commits events over a few keys in one transaction and remembers them. */
  enqueue(count: number, options: { readonly keys?: number; readonly topic?: string } = {}): void {
    const { keys = 20, topic = this.topic } = options;
    const events = Array.from({ length: count }, () => {
      this.#count += 1;
      return { topic, key: `key-${this.#count % keys}`, value: `value ${this.#count}` };
    });
    const results = this.outbox.enqueueMany(events);
    for (const [index, result] of results.entries()) {
      this.accepted.push(acceptedEvent(events[index] as (typeof events)[number], result));
    }
  }

  /** A relay that is stopped with the scene. Its topics have 3 partitions. */
  relay(
    brokers: string,
    options: Partial<RelayOptions & LoggerOption> = {},
    hooks: RelayHooks = {},
  ): Relay {
    const createTopics = { partitions: 3, replicationFactor: 1 };
    const given = { db: this.db, brokers: [brokers], createTopics, ...options };
    const relay = createRelay(given, hooks);
    this.onClose(() => relay.stop());
    return relay;
  }

  /**
   * Reads the topics to their ends with an independent consumer, and again until every accepted
   * event is there or the time is over: what is missing then is lost.
   */
  async account(
    kafka: Witness,
    timeoutMs = 60_000,
    topics: readonly string[] = [this.topic],
  ): Promise<Findings> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const records: Consumed[][] = [];
      for (const topic of topics) records.push(await kafka.consume(topic, 'end', timeoutMs));
      const findings = this.check(records.flat());
      if (findings.lost === 0 || performance.now() >= endMs) return findings;
    }
  }

  check(records: readonly Consumed[]): Findings {
    return checkDelivery({ accepted: this.accepted }, records);
  }

  /** Waits until nothing is pending, as the relay's own status says. */
  async drained(relay: Relay, timeoutMs = 60_000): Promise<void> {
    await until('nothing pending', () => relay.status().pending === 0, { timeoutMs });
  }

  /** Waits until nothing is pending, nor held. */
  async allDelivered(relay: Relay, timeoutMs = 60_000): Promise<void> {
    const isDone = () => relay.status().pending === 0 && relay.status().held === 0;
    await until('nothing pending or held', isDone, { timeoutMs });
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
    await this.#outbox?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What an account must look like when nothing was killed between an ack and its settling. */
export const allDelivered = { lost: 0, reordered: 0, mismatched: 0, unissued: 0 } as const;

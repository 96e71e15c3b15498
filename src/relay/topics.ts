/**
 * How many partitions a topic has, as far as keys are concerned.
 *
 * The count first seen is kept in the file and used for placement, so that a topic that grows
 * does not move keys while events of theirs are waiting. A larger count is adopted when nothing at
 * all is pending; a smaller one at once, because the topic was made anew and a record for a
 * partition that is gone cannot be sent.
 */
import type { Clock } from '../core/clock.ts';
import type { OutboxStore } from '../outbox/store.ts';
import type { Driver, LeadersOutcome, SendFailure, TopicLeaders } from '../sink/driver.ts';
import type { TopicPartitions } from './batch.ts';
import type { RelayEmitter } from './events.ts';

export interface TopicsParts {
  readonly store: OutboxStore;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly emitter: RelayEmitter;
  readonly timeoutMs: number;
  /** Age after which the broker is asked again, milliseconds. */
  readonly maxAgeMs: number;
}

interface Known {
  readonly partitions: number;
  readonly askedAtMs: number;
}

export class Topics {
  readonly #parts: TopicsParts;
  readonly #known = new Map<string, Known>();
  /** Questions under way: lanes that need the same topics share the answer. */
  readonly #asking = new Map<string, Promise<LeadersOutcome>>();

  constructor(parts: TopicsParts) {
    this.#parts = parts;
  }

  /**
   * Learns what is not known yet or too old, in this order, up to the first topic that cannot take
   * records; what comes behind it may stay unknown. Returns that topic with its failure, or the
   * failure of the question itself.
   */
  async learn(topics: ReadonlySet<string>): Promise<Map<string, SendFailure> | SendFailure> {
    const { clock, maxAgeMs } = this.#parts;
    const now = clock.monotonic();
    const unknown = [...topics].filter((topic) => {
      const known = this.#known.get(topic);
      return known === undefined || now - known.askedAtMs > maxAgeMs;
    });
    const failures = new Map<string, SendFailure>();
    if (unknown.length === 0) return failures;
    const outcome = await this.#prepare(unknown);
    if (outcome.kind !== 'answered') return outcome;
    for (const [topic, answer] of outcome.topics) {
      if ('kind' in answer) {
        failures.set(topic, answer);
        continue;
      }
      await this.#remember(answer);
    }
    return failures;
  }

  async #remember({ topic, partitions }: TopicLeaders): Promise<void> {
    await this.#reconcile(topic, partitions);
    this.#known.set(topic, { partitions, askedAtMs: this.#parts.clock.monotonic() });
  }

  #prepare(topics: readonly string[]): Promise<LeadersOutcome> {
    const question = topics.join();
    const asking = this.#asking.get(question);
    if (asking !== undefined) return asking;
    const { driver, timeoutMs } = this.#parts;
    const answer = driver.prepare(topics, timeoutMs).finally(() => this.#asking.delete(question));
    this.#asking.set(question, answer);
    return answer;
  }

  async #reconcile(topic: string, partitions: number): Promise<void> {
    const { store } = this.#parts;
    const kept = store.readPartitions(topic);
    if (kept === null) return store.rememberPartitions(topic, partitions);
    if (partitions < kept) {
      await store.rememberPartitions(topic, partitions);
      this.#warn('TOPIC_SHRUNK', `topic ${topic} has ${partitions} partitions, had ${kept}`);
    } else if (partitions > kept) {
      if (store.lanesWithWork().length === 0 && store.summary().held === 0) {
        await store.rememberPartitions(topic, partitions);
      } else {
        const message = `topic ${topic} grew from ${kept} to ${partitions} partitions`;
        this.#warn('TOPIC_GREW', `${message}; keys keep theirs until nothing is pending`);
      }
    }
  }

  #warn(code: string, message: string): void {
    this.#parts.emitter.emit('warning', { code, message, cause: null });
  }

  /** `null` when the topic is not known. */
  partitionsOf(topic: string): TopicPartitions | null {
    const known = this.#known.get(topic);
    const forKeys = known === undefined ? null : this.#parts.store.readPartitions(topic);
    if (known === undefined || forKeys === null) return null;
    return { forKeys: Math.min(forKeys, known.partitions), now: known.partitions };
  }

  /** The broker's answer was wrong or is stale: ask again before the next send. */
  forget(topic: string | null): void {
    if (topic === null) this.#known.clear();
    else this.#known.delete(topic);
  }

  /**
   * Asks again about every known topic; called while nothing is pending. A topic that was deleted
   * stays deleted until there is an event for it.
   */
  async refresh(): Promise<void> {
    const topics = [...this.#known.keys()];
    this.#known.clear();
    if (topics.length === 0) return;
    const { driver, timeoutMs } = this.#parts;
    const outcome = await driver.leaders(topics, timeoutMs);
    if (outcome.kind !== 'answered') return;
    for (const answer of outcome.topics.values()) {
      if (!('kind' in answer) && answer.partitions > 0) await this.#remember(answer);
    }
  }
}

/** Another lane's failed send has made the topic unknown again since it was learnt. */
export function forgotten(topic: string): SendFailure {
  const message = `what was known about ${topic} is out of date`;
  return { kind: 'partition-away', code: 'TOPIC_FORGOTTEN', message, topic, cause: null };
}

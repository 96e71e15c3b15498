/**
 * Finds out when lanes that wait for Kafka can go on, so that recovery never waits for a
 * configured retry delay.
 *
 * While any lane waits, asks for the leaders of the topics that those lanes need next, with a
 * backoff of its own. The interval stays at or below one second, because events are promised to
 * flow within two seconds of the broker's return. A lane that is let go and fails again, because
 * the metadata was good and the send was not, is let go less often, but every two seconds at
 * least. Only a topic that would have to be created is tried at the policy's own delay: its
 * creation was refused before, and when somebody else makes it, that is seen here. A topic that
 * stays away for two seconds does not keep its lane: the next drain sets its events aside.
 */
import { type Clock, pause } from '../core/clock.ts';
import type { Stop } from '../outbox/held.ts';
import type { OutboxStore } from '../outbox/store.ts';
import type { Driver, SendFailure, TopicLeaders } from '../sink/driver.ts';
import type { Circuit } from './circuit.ts';
import { stopAfterMs } from './refusal.ts';

const intervalMinMs = 250;
const intervalMaxMs = 1_000;
const releasePaceMaxMs = 2_000;

interface Wait {
  readonly sinceMs: number;
  /** How often in a row the lane was let go without a delivery. */
  readonly releases: number;
}

export interface ProberParts {
  readonly store: OutboxStore;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly circuit: Circuit;
  readonly probeTimeoutMs: number;
  /** The retry policy's delay: the creation of a topic is not tried more often than this. */
  readonly retryDelayMs: number;
  /** Lets these lanes go on at once. */
  readonly release: (lanes: readonly number[]) => Promise<void>;
  readonly report: (error: unknown) => void;
}

export class Prober {
  readonly #parts: ProberParts;
  readonly #stopping = new AbortController();
  readonly #waiting = new Map<number, Wait>();
  readonly #releases = new Map<number, number>();
  #loop: Promise<void> | null = null;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  waitsFor(lane: number): boolean {
    return this.#waiting.has(lane);
  }

  /** The lane's drain failed for a reason that may pass by itself. */
  wait(lane: number): void {
    if (this.#stopping.signal.aborted || this.#waiting.has(lane)) return;
    const sinceMs = this.#parts.clock.monotonic();
    this.#waiting.set(lane, { sinceMs, releases: this.#releases.get(lane) ?? 0 });
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null;
    });
  }

  /** The lane delivered: it does not wait, and its next failure is a first one. */
  delivered(lane: number): void {
    this.#waiting.delete(lane);
    this.#releases.delete(lane);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    let intervalMs = intervalMinMs;
    let nextMs = clock.monotonic() + intervalMs;
    while (this.#waiting.size > 0 && !this.#stopping.signal.aborted) {
      await pause(clock, Math.max(0, nextMs - clock.monotonic()), this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      // A question that went unanswered has had its pause already.
      nextMs = clock.monotonic() + intervalMs;
      intervalMs = Math.min(intervalMs * 2, intervalMaxMs);
      try {
        await this.#probe();
      } catch (error) {
        this.#parts.report(error);
      }
    }
  }

  async #probe(): Promise<void> {
    const { driver, circuit, probeTimeoutMs, release } = this.#parts;
    const needs = this.#neededTopics();
    const outcome = await driver.leaders([...new Set(needs.values())], probeTimeoutMs);
    if (outcome.kind !== 'answered') return;
    circuit.close();
    const ready = [...needs]
      .filter(([lane, topic]) => this.#isDue(lane, outcome.topics.get(topic)))
      .map(([lane]) => lane);
    for (const lane of ready) {
      this.#waiting.delete(lane);
      this.#releases.set(lane, (this.#releases.get(lane) ?? 0) + 1);
    }
    if (ready.length > 0) await release(ready);
  }

  /** Whether the lane may go on: its topic has leaders, or has to be created by its next drain. */
  #isDue(lane: number, answer: TopicLeaders | SendFailure | undefined): boolean {
    const wait = this.#waiting.get(lane);
    if (wait === undefined || answer === undefined) return false;
    const { clock, retryDelayMs } = this.#parts;
    if ('kind' in answer || answer.leaderless.length > 0) {
      return clock.monotonic() - wait.sinceMs >= stopAfterMs;
    }
    if (wait.releases === 0) return true;
    const paceMs = intervalMinMs * 2 ** Math.min(wait.releases, 30);
    const slowestMs = answer.partitions > 0 ? 0 : retryDelayMs;
    const paceMaxMs = Math.max(releasePaceMaxMs, slowestMs);
    return clock.monotonic() - wait.sinceMs >= Math.min(paceMs, paceMaxMs);
  }

  /** The topic of each waiting lane's next event; a lane that has none any more stops waiting. */
  #neededTopics(): Map<number, string> {
    const { store, clock } = this.#parts;
    const needs = new Map<number, string>();
    for (const lane of [...this.#waiting.keys()]) {
      const { cursor } = store.readLane(lane);
      const next =
        store.readBatch(lane, cursor, one)[0] ??
        store.held.readDue(lane, clock.now(), one)[0] ??
        store.held.readStops(lane).find((stop) => isDue(stop, clock.now()));
      if (next === undefined) this.delivered(lane);
      else needs.set(lane, next.topic);
    }
    return needs;
  }
}

const one = { events: 1, bytes: 1 };

/** It is asked, or drained, next. */
function isDue({ draining, nextAttemptAtMs }: Stop, nowMs: number): boolean {
  return draining || (nextAttemptAtMs !== null && nextAttemptAtMs <= nowMs);
}

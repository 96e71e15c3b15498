/**
 * Finds out when lanes that wait for Kafka can go on, so that recovery never waits for a
 * configured retry delay.
 *
 * While any lane waits, asks for the leaders of the topics that those lanes need next, with a
 * backoff of its own. The interval stays at or below one second, because events are promised to
 * flow within two seconds of the broker's return. A lane that is let go and fails again is let go
 * less and less often, down to its policy's own delay: then the metadata was good and the sends
 * were not.
 */
import { type Clock, pause } from '../core/clock.ts';
import type { OutboxStore } from '../outbox/store.ts';
import type { Driver, LeadersOutcome } from '../sink/driver.ts';
import type { Circuit } from './circuit.ts';

const intervalMinMs = 250;
const intervalMaxMs = 1_000;
const releasePaceMaxMs = 2_000;

export interface ProberParts {
  readonly store: OutboxStore;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly circuit: Circuit;
  readonly probeTimeoutMs: number;
  /** The retry policy's delay: a lane that keeps failing is not let go more often than this. */
  readonly retryDelayMs: number;
  /** Lets these lanes go on at once. */
  readonly release: (lanes: readonly number[]) => Promise<void>;
  readonly report: (error: unknown) => void;
}

export class Prober {
  readonly #parts: ProberParts;
  readonly #stopping = new AbortController();
  /** Lane to the monotonic time before which it is not let go. */
  readonly #waiting = new Map<number, number>();
  /** How often in a row a lane was let go without a delivery. */
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
    const { clock, retryDelayMs } = this.#parts;
    const releases = this.#releases.get(lane) ?? 0;
    const slowest = Math.max(releasePaceMaxMs, retryDelayMs);
    const paceMs = Math.min(intervalMinMs * 2 ** Math.min(releases, 30), slowest);
    this.#waiting.set(lane, clock.monotonic() + (releases === 0 ? 0 : paceMs));
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
    const { driver, circuit, probeTimeoutMs, release, clock } = this.#parts;
    const needs = this.#neededTopics();
    const outcome = await driver.leaders([...new Set(needs.values())], probeTimeoutMs);
    if (outcome.kind !== 'answered') return;
    circuit.close();
    const now = clock.monotonic();
    const ready = [...needs]
      .filter(
        ([lane, topic]) => (this.#waiting.get(lane) ?? Infinity) <= now && led(outcome, topic),
      )
      .map(([lane]) => lane);
    for (const lane of ready) {
      this.#waiting.delete(lane);
      this.#releases.set(lane, (this.#releases.get(lane) ?? 0) + 1);
    }
    if (ready.length > 0) await release(ready);
  }

  /** The topic of each waiting lane's next event; a lane that has none any more stops waiting. */
  #neededTopics(): Map<number, string> {
    const { store } = this.#parts;
    const needs = new Map<number, string>();
    for (const lane of [...this.#waiting.keys()]) {
      const { cursor } = store.readLane(lane);
      const next = store.readBatch(lane, cursor, { events: 1, bytes: 1 })[0];
      if (next === undefined) this.delivered(lane);
      else needs.set(lane, next.topic);
    }
    return needs;
  }
}

function led(outcome: LeadersOutcome & { kind: 'answered' }, topic: string): boolean {
  const answer = outcome.topics.get(topic);
  return answer !== undefined && !('kind' in answer) && answer.leaderless.length === 0;
}

/**
 * Keeps a relay from sending faster than what comes after Kafka can bear, above all when a backlog
 * drains: so many events and bytes a second, over all lanes.
 *
 * Each send may begin when the debt of those before it is paid; what it takes is its own debt. A
 * relay that was idle has a second's worth in hand, never more.
 */
import { type Clock, pause } from '../core/clock.ts';

export interface GovernorRates {
  /** `null`: no bound. */
  readonly eventsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
}

const secondMs = 1_000;
/** Sends a second at a low rate, at least: a steady flow, and no burst of a second's worth. */
const sendsPerSecond = 4;

export class Governor {
  readonly #clock: Clock;
  readonly #events: Bucket | null;
  readonly #bytes: Bucket | null;
  /** Events that one send may have. */
  readonly batchMax: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ eventsPerSecond, bytesPerSecond }: GovernorRates, clock: Clock) {
    this.#clock = clock;
    this.#events = eventsPerSecond === null ? null : new Bucket(eventsPerSecond, clock);
    this.#bytes = bytesPerSecond === null ? null : new Bucket(bytesPerSecond, clock);
    this.batchMax = Math.max(1, Math.floor((eventsPerSecond ?? Infinity) / sendsPerSecond));
  }

  /** Resolves when so much may be sent, or when `signal` aborts; one after the other. */
  take(events: number, bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#events === null && this.#bytes === null) return Promise.resolve();
    const mine = this.#last.then(() => this.#take(events, bytes, signal));
    this.#last = mine;
    return mine;
  }

  async #take(events: number, bytes: number, signal: AbortSignal): Promise<void> {
    const waitMs = Math.max(this.#events?.waitMs() ?? 0, this.#bytes?.waitMs() ?? 0);
    if (waitMs > 0 && !signal.aborted) await pause(this.#clock, waitMs, signal);
    this.#events?.spend(events);
    this.#bytes?.spend(bytes);
  }
}

/** Fills at its rate, up to a second's worth; may be in debt. */
class Bucket {
  readonly #perSecond: number;
  readonly #clock: Clock;
  #level = 0;
  #atMs: number;

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#atMs = clock.monotonic();
  }

  /** Until the debt is paid. */
  waitMs(): number {
    this.#fill();
    return this.#level >= 0 ? 0 : Math.ceil((-this.#level * secondMs) / this.#perSecond);
  }

  spend(amount: number): void {
    this.#fill();
    this.#level -= amount;
  }

  #fill(): void {
    const nowMs = this.#clock.monotonic();
    const gained = ((nowMs - this.#atMs) * this.#perSecond) / secondMs;
    this.#level = Math.min(this.#perSecond, this.#level + gained);
    this.#atMs = nowMs;
  }
}

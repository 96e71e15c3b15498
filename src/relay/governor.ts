/**
 * Keeps a relay from sending faster than what comes after Kafka can bear, above all when a backlog
 * drains: so many events and bytes a second, over all lanes.
 *
 * Each send may begin when the debt of those before it is paid; what it takes is its own debt. A
 * relay that was idle has a second's worth in hand, never more. Places are given in the order of
 * asking, and each lane waits for its own: one whose drain ends holds up nobody.
 */
import { type Clock, pause } from '../core/clock.ts';
import type { BatchBounds } from '../outbox/store.ts';

export interface GovernorRates {
  /** `null`: no bound. */
  readonly eventsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
}

interface Load {
  readonly events: number;
  readonly bytes: number;
}

const secondMs = 1_000;
/** Sends a second at a low rate, at least: a steady flow, and no burst of a second's worth. */
const sendsPerSecond = 4;

export class Governor {
  readonly clock: Clock;
  readonly #rates: GovernorRates;
  readonly #events: Bucket | null;
  readonly #bytes: Bucket | null;

  constructor(rates: GovernorRates, clock: Clock) {
    const { eventsPerSecond, bytesPerSecond } = rates;
    this.clock = clock;
    this.#rates = rates;
    this.#events = eventsPerSecond === null ? null : new Bucket(eventsPerSecond, clock);
    this.#bytes = bytesPerSecond === null ? null : new Bucket(bytesPerSecond, clock);
  }

  /** What one send may have, so that the flow is steady; one event is always allowed. */
  limit<Bounds extends BatchBounds>(bounds: Bounds): Bounds {
    const { eventsPerSecond, bytesPerSecond } = this.#rates;
    const share = (perSecond: number | null) =>
      Math.max(1, Math.floor((perSecond ?? Infinity) / sendsPerSecond));
    const events = Math.min(bounds.events, share(eventsPerSecond));
    return { ...bounds, events, bytes: Math.min(bounds.bytes, share(bytesPerSecond)) };
  }

  /** For one who sends batches, one after the other. */
  share(): GovernorShare {
    return new GovernorShare(this);
  }

  /** Takes a place; returns how long to wait for it, milliseconds. */
  reserve({ events, bytes }: Load): number {
    const waitMs = Math.max(this.#events?.waitMs() ?? 0, this.#bytes?.waitMs() ?? 0);
    this.#events?.add(-events);
    this.#bytes?.add(-bytes);
    return waitMs;
  }

  /** Gives back what was not used. */
  giveBack({ events, bytes }: Load): void {
    this.#events?.add(events);
    this.#bytes?.add(bytes);
  }
}

export class GovernorShare {
  readonly #governor: Governor;
  /** Waited for, and not sent yet. */
  #paid: Load = { events: 0, bytes: 0 };

  constructor(governor: Governor) {
    this.#governor = governor;
  }

  /**
   * True: send it now. False: time has passed, or `signal` has aborted, and what is to be sent must
   * be looked at again: an operator may have paused it, another owner may have the lane. What was
   * waited for is kept for the next time.
   */
  async mayGo(load: Load, signal: AbortSignal): Promise<boolean> {
    const paid = this.#paid;
    const events = Math.max(0, load.events - paid.events);
    const bytes = Math.max(0, load.bytes - paid.bytes);
    const waitMs = events + bytes === 0 ? 0 : this.#governor.reserve({ events, bytes });
    if (waitMs > 0) {
      await pause(this.#governor.clock, waitMs, signal);
      if (signal.aborted) this.#governor.giveBack({ events, bytes });
      else this.#paid = { events: paid.events + events, bytes: paid.bytes + bytes };
      return false;
    }
    const left = (paidFor: number, used: number) => Math.max(0, paidFor - used);
    this.#paid = { events: left(paid.events, load.events), bytes: left(paid.bytes, load.bytes) };
    return true;
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

  add(amount: number): void {
    this.#fill();
    this.#level = Math.min(this.#perSecond, this.#level + amount);
  }

  #fill(): void {
    const nowMs = this.#clock.monotonic();
    const gained = ((nowMs - this.#atMs) * this.#perSecond) / secondMs;
    this.#level = Math.min(this.#perSecond, this.#level + gained);
    this.#atMs = nowMs;
  }
}

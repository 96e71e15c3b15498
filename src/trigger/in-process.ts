/**
 * The trigger without Redis: timers in this process. The only one when no Redis is configured,
 * and what the sweep uses while Redis is away.
 *
 *     none ─wake─► queued ─► active ─resolves─► none (queued, if woken meanwhile or `again`)
 *                    ▲          └────rejects──► delayed ─delay or promote─► active
 *                    └─ wake ── none ◄── round used up
 */
import type { Clock } from '../core/clock.ts';
import { invariant } from '../core/errors.ts';
import { type RetryPolicy, retryDelayMs, withJitter } from '../core/retry.ts';
import type { DrainHandler, Trigger, TriggerEvents, WakeState } from './trigger.ts';

export interface InProcessParts {
  readonly lanes: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  /** A number in [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
  readonly events: TriggerEvents;
}

interface Lane {
  state: WakeState;
  /** Number of the next or running attempt, 1-based. */
  attempt: number;
  woken: boolean;
  cancel: () => void;
  running: Promise<void>;
}

class InProcessTrigger implements Trigger {
  readonly name = 'in-process';
  readonly #parts: InProcessParts;
  readonly #lanes: Lane[];
  readonly #stopping = new AbortController();
  #handler: DrainHandler | null = null;

  constructor(parts: InProcessParts) {
    this.#parts = parts;
    this.#lanes = Array.from({ length: parts.lanes }, () => ({
      state: 'none',
      attempt: 1,
      woken: false,
      cancel: () => {},
      running: Promise.resolve(),
    }));
  }

  async start(handler: DrainHandler): Promise<void> {
    this.#handler = handler;
    for (const [index, lane] of this.#lanes.entries()) {
      if (lane.state === 'queued') this.#queue(index, lane, 0);
    }
  }

  async wake(index: number): Promise<void> {
    const lane = this.#lane(index);
    if (this.#stopping.signal.aborted) return;
    if (lane.state === 'active') lane.woken = true;
    if (lane.state !== 'none') return;
    this.#queue(index, lane, 0);
  }

  async stateOf(index: number): Promise<WakeState> {
    return this.#lane(index).state;
  }

  async promote(lanes: readonly number[]): Promise<void> {
    for (const index of lanes) {
      const lane = this.#lane(index);
      if (lane.state === 'delayed') this.#queue(index, lane, 0);
    }
  }

  unreachableForMs(): number {
    return 0;
  }

  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping.abort();
    for (const lane of this.#lanes) {
      lane.cancel();
      if (lane.state !== 'active') lane.state = 'none';
    }
    const ended = Promise.all(this.#lanes.map((lane) => lane.running)).then(() => true);
    let cancel = () => {};
    const late = new Promise<false>((resolve) => {
      cancel = this.#parts.clock.after(deadlineMs, () => resolve(false));
    });
    const clean = await Promise.race([ended, late]);
    cancel();
    return clean;
  }

  #lane(index: number): Lane {
    const lane = this.#lanes[index];
    invariant(lane !== undefined, `lane ${index} exists`);
    return lane;
  }

  #queue(index: number, lane: Lane, delayMs: number): void {
    lane.cancel();
    lane.state = delayMs > 0 ? 'delayed' : 'queued';
    if (this.#handler === null || this.#stopping.signal.aborted) return;
    lane.cancel = this.#parts.clock.after(delayMs, () => {
      lane.state = 'active';
      lane.running = this.#run(index, lane);
    });
  }

  async #run(index: number, lane: Lane): Promise<void> {
    const attempts = this.#parts.retry.retries + 1;
    const { signal } = this.#stopping;
    const request = { lane: index, attempt: lane.attempt, attempts, via: 'sweep', signal } as const;
    try {
      const { again } = await (this.#handler as DrainHandler)(request);
      this.#next(index, lane, again);
    } catch (error) {
      this.#failed(index, lane, error);
    }
  }

  #next(index: number, lane: Lane, again: boolean): void {
    const more = again || lane.woken;
    lane.woken = false;
    lane.attempt = 1;
    lane.state = 'none';
    if (more && !this.#stopping.signal.aborted) this.#queue(index, lane, 0);
  }

  #failed(index: number, lane: Lane, error: unknown): void {
    const { retry, random = Math.random, events } = this.#parts;
    if (lane.attempt <= retry.retries) {
      const delayMs = withJitter(retryDelayMs(retry, lane.attempt), retry.jitter, random);
      lane.attempt += 1;
      // What woke the lane meanwhile is answered by the next attempt.
      lane.woken = false;
      this.#queue(index, lane, delayMs);
      return;
    }
    events.roundUsedUp(index, error instanceof Error ? error : new Error(String(error)));
    lane.woken = false; // the next round keeps to the policy's delay
    this.#next(index, lane, false);
  }
}

export function createInProcessTrigger(parts: InProcessParts): Trigger {
  return new InProcessTrigger(parts);
}

/**
 * Tells a drain that waits at its empty lane that there is work again. The waker's poll is the
 * only one that looks at the file: eight drains that each look for themselves would cost more
 * than the events.
 */
import type { Clock } from '../core/clock.ts';

export class Commits {
  readonly #clock: Clock;
  readonly #waiting = new Map<number, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Somebody has committed, and these lanes have work. */
  announce(lanes: readonly number[]): void {
    for (const lane of lanes) this.#waiting.get(lane)?.();
  }

  /**
   * Resolves when the lane is announced, after `ms`, or when `signal` aborts. A commit that came
   * before is not announced again: look for work in the same turn, then wait.
   */
  next(lane: number, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        this.#waiting.delete(lane);
        resolve();
      };
      const cancel = this.#clock.after(ms, done);
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.set(lane, done);
    });
  }
}

import type { Clock } from '../../src/core/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Lets everything run that is ready without time passing: promises and immediates. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(wallMs = Date.UTC(2030, 0, 1)) {
    this.#wallMs = wallMs;
  }

  now(): number {
    return this.#wallMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const atMs = this.#elapsedMs + Math.max(0, delayMs);
    this.#order += 1;
    const timer = { atMs, order: this.#order, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have not fired. A test that leaves some has a leak. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Wall time only, as when an operator sets the machine's clock. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** As a machine that was suspended: both clocks move, and what was due meanwhile is late. */
  oversleep(ms: number): void {
    this.#elapsedMs += ms;
  }

  /** Moves both clocks, firing timers in order and letting their consequences happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers]
        .filter((timer) => timer.atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs);
      due.callback();
      await settle();
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, endMs);
  }
}

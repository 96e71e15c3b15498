/**
 * Whether the server behind a trigger answers, by asking: a frozen server keeps its connections
 * open, so that only a missing answer shows it.
 */
import type { Clock } from '../core/clock.ts';

export interface ReachabilityParts {
  readonly clock: Clock;
  readonly ping: () => Promise<unknown>;
  readonly changed: (reachable: boolean, cause: unknown) => void;
}

const pingEveryMs = 1_000;
const answerMs = 1_000;

export class Reachability {
  readonly #parts: ReachabilityParts;
  #downSinceMs: number | null;
  #reported = false;
  #stopped = false;
  #checking: Promise<void> | null = null;
  #cancel: () => void = () => {};

  constructor(parts: ReachabilityParts) {
    this.#parts = parts;
    this.#downSinceMs = parts.clock.monotonic();
  }

  /** Resolves after the first answer or its absence. */
  async start(): Promise<void> {
    await this.check();
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  unreachableForMs(): number {
    if (this.#downSinceMs === null) return 0;
    // At least 1: unreachable since this very millisecond is still unreachable.
    return Math.max(1, this.#parts.clock.monotonic() - this.#downSinceMs);
  }

  lost(cause: unknown): void {
    if (this.#stopped || this.#downSinceMs !== null) return;
    this.#downSinceMs = this.#parts.clock.monotonic();
    this.#report(false, cause);
  }

  /** Asks now, once for all who wait. Does not reject: the answer is reported. */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  async #check(): Promise<void> {
    if (this.#stopped) return;
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#parts.clock.after(answerMs, () => {
        reject(new Error(`no answer within ${answerMs} ms`));
      });
    });
    try {
      const answer = this.#parts.ping();
      answer.catch(() => {}); // a late rejection is the same news
      await Promise.race([answer, late]);
      this.#found();
    } catch (error) {
      if (this.#downSinceMs === null) this.lost(error);
      else if (!this.#reported) this.#report(false, error);
    } finally {
      cancel();
    }
  }

  #found(): void {
    if (this.#stopped || this.#downSinceMs === null) return;
    this.#downSinceMs = null;
    this.#report(true, null);
  }

  #report(reachable: boolean, cause: unknown): void {
    this.#reported = true;
    this.#parts.changed(reachable, cause);
  }

  #again(): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(pingEveryMs, () => {
      void this.check().then(() => this.#again());
    });
  }
}

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
  #unanswered: Promise<unknown> | null = null;
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

  /** There is a new connection: what the old one was asked need not be waited for. */
  connected(): void {
    this.#unanswered = null;
    void this.check(); // reports what it finds
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
      await Promise.race([this.#ping(), late]);
      this.#found();
    } catch (error) {
      if (this.#downSinceMs === null) this.lost(error);
      else if (!this.#reported) this.#report(false, error);
    } finally {
      cancel();
    }
  }

  /**
   * One question at a time, however long its answer takes: asked of a frozen server every second,
   * they would collect for as long as that lasts.
   */
  #ping(): Promise<unknown> {
    if (this.#unanswered !== null) return this.#unanswered;
    const answer = this.#parts.ping();
    const answered = () => {
      if (this.#unanswered === answer) this.#unanswered = null;
    };
    answer.then(answered, answered); // a late rejection is the same news
    this.#unanswered = answer;
    return answer;
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

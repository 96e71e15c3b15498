/**
 * Waiting, for a story that can be interrupted: every wait rejects at once when the demo is
 * interrupted or when something that must live has died.
 */
const pollMs = 20;

export class Waits {
  readonly #failures: Promise<never>[] = [];
  #over = false;

  constructor(signal: AbortSignal) {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    this.failWith(aborted);
  }

  /** Lets every wait reject when this promise does. */
  failWith(failure: Promise<never>): void {
    // Between two waits nobody listens; the next wait still sees it.
    failure.catch(() => {});
    this.#failures.push(failure);
  }

  /** The promise, unless a failure comes first. */
  watched<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, ...this.#failures]);
  }

  /**
   * Waits for a condition, looked at every 20 ms. Resolves with whether it came true within
   * `maxSeconds` (default: no limit).
   */
  until(
    condition: () => boolean | Promise<boolean>,
    maxSeconds = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    const endMs = performance.now() + maxSeconds * 1_000;
    const look = async () => {
      while (!(await condition())) {
        if (this.#over || performance.now() >= endMs) return false;
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
      return true;
    };
    return this.watched(look());
  }

  /** `null` when the promise is not there after so many seconds. */
  async before<Value>(seconds: number, promise: Promise<Value>): Promise<Value | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, seconds * 1_000, null);
    });
    try {
      return await this.watched(Promise.race([promise, late]));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends every look at a condition. */
  close(): void {
    this.#over = true;
  }
}

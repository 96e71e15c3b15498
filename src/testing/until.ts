/** Waits for a condition, never for time: asks again until it holds or the deadline fails it. */
import { pause, systemClock } from '../core/clock.ts';
import { TestTimeoutError } from '../core/testing-errors.ts';

export interface UntilOptions {
  /** Default: 30,000 ms. */
  readonly timeoutMs?: number;
  /** Between two questions. Default: 20 ms. */
  readonly everyMs?: number;
}

/**
 * The condition's first answer that holds.
 * @throws (rejects with) TEST_TIMEOUT, which tells the last answer; what the condition throws
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  { timeoutMs = 30_000, everyMs = 20 }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const endMs = systemClock.monotonic() + timeoutMs;
  let last: unknown;
  while (systemClock.monotonic() < endMs) {
    last = await condition();
    if (last) return last as NonNullable<T>;
    await pause(systemClock, everyMs);
  }
  const told = `${what}: not within ${timeoutMs} ms (last: ${JSON.stringify(last)})`;
  throw new TestTimeoutError(told);
}

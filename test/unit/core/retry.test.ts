import { describe, expect, it } from 'vitest';
import { retryDelayMs, withJitter } from '../../../src/core/retry.ts';

const policy = { retries: 3, delayMs: 1_000, maxDelayMs: 6_000, jitter: 0 };

describe('retryDelayMs', () => {
  it('stays when it is fixed', () => {
    const delays = [1, 2, 10].map((attempt) =>
      retryDelayMs({ ...policy, backoff: 'fixed' }, attempt),
    );
    expect(delays).toEqual([1_000, 1_000, 1_000]);
  });

  it('doubles up to its bound when it is exponential, at any attempt', () => {
    const exponential = { ...policy, backoff: 'exponential' } as const;
    const delays = [1, 2, 3, 4, 5, 5_000].map((attempt) => retryDelayMs(exponential, attempt));
    expect(delays).toEqual([1_000, 2_000, 4_000, 6_000, 6_000, 6_000]);
  });
});

describe('withJitter', () => {
  it('takes at most its share off', () => {
    expect(withJitter(1_000, 0.5, () => 0)).toBe(1_000);
    expect(withJitter(1_000, 0.5, () => 0.999_999)).toBe(500);
    expect(withJitter(1_000, 0, () => 0.7)).toBe(1_000);
  });
});

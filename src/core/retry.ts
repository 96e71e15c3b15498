/** How often and how far apart a drain is tried again. Used by the BullMQ job and the sweep. */
export interface RetryPolicy {
  /** Tries after the first one, 0 or more. A round has `retries + 1` attempts. */
  readonly retries: number;
  /** Milliseconds before the first retry. */
  readonly delayMs: number;
  readonly backoff: 'fixed' | 'exponential';
  /** Upper bound of an exponential delay, milliseconds. No effect with `fixed`. */
  readonly maxDelayMs: number;
  /** Share of the delay, 0 to 1, that is drawn at random and taken off. */
  readonly jitter: number;
}

/** Milliseconds to wait after attempt number `attempt` (1-based) has failed, before jitter. */
export function retryDelayMs(policy: RetryPolicy, attempt: number): number {
  if (policy.backoff === 'fixed') return policy.delayMs;
  return Math.min(policy.maxDelayMs, policy.delayMs * 2 ** Math.min(attempt - 1, 52));
}

/** Takes up to `jitter` of the delay off; `random` gives a number in [0, 1). */
export function withJitter(delayMs: number, jitter: number, random: () => number): number {
  return Math.round(delayMs * (1 - jitter * random()));
}

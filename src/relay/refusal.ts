/** How long a refused event, and a stop, wait before the next try. Pure. */
import { limits } from '../core/limits.ts';
import { type RetryPolicy, retryDelayMs } from '../core/retry.ts';
import type { HeldRules, Refusal } from '../outbox/held.ts';
import type { SendFailureKind } from '../sink/driver.ts';

/** What becomes of an event that Kafka refuses. */
export interface RefusalRules extends HeldRules {
  readonly retry: RetryPolicy;
  /** Where copies of dead events go; `null`: nowhere. */
  readonly deadLetterTopic: string | null;
}

/** The event's own retry budget; `null`: the relay's. */
export interface Budget {
  readonly retries: number | null;
  readonly delayMs: number | null;
}

interface Refused {
  readonly seq: number;
  readonly code: string;
  readonly message: string;
  /** Refusals before this one. */
  readonly attempts: number;
  /** Whether it may become dead; what nobody understands never does. */
  readonly mayDie: boolean;
  readonly atMs: number;
}

/** After `retries` refusals that follow the first one, the event is dead. */
export function refuse(refused: Refused, budget: Budget, rules: RefusalRules): Refusal {
  const { retry, deadLetterTopic, deadBlocks } = rules;
  const { seq, code, message, attempts, mayDie, atMs } = refused;
  const dead = mayDie && attempts >= (budget.retries ?? retry.retries);
  const facts = { seq, code, message, atMs, dead, blocks: !dead || deadBlocks };
  if (dead) return { ...facts, nextAttemptAtMs: deadLetterTopic === null ? null : atMs };
  const own = budget.delayMs === null ? retry : { ...retry, delayMs: budget.delayMs };
  return { ...facts, nextAttemptAtMs: atMs + retryDelayMs(own, attempts + 1) };
}

/** A topic, or partition, that is away for less is waited for; then its events are set aside. */
export const stopAfterMs = 2_000;

const stopDelayMinMs = 1_000;

/**
 * Before a stop is tried again with one event: doubled from a second to the policy's delay. For a
 * partition that is away to two seconds, as for an outage: nobody has to mend it by hand.
 */
export function stopDelayMs(kind: SendFailureKind, attempts: number, retry: RetryPolicy): number {
  const slowMs = kind === 'partition-away' ? stopAfterMs : retry.delayMs;
  const maxMs = Math.max(stopDelayMinMs, Math.min(slowMs, limits.stopDelayMsMax));
  return Math.min(maxMs, stopDelayMinMs * 2 ** Math.min(attempts, 30));
}

/** Of what waits for a stop: as long as the stop itself, at most. */
export const slowestMs = (retry: RetryPolicy) => stopDelayMs('refused-topic', 30, retry);

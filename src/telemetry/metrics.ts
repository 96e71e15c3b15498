/**
 * What a relay has done since it was made, as plain numbers: enough for an alarm. They are counted
 * in memory and start at zero with each process; `status` has what the file knows.
 */
import { loginHint } from '../core/login-trouble.ts';
import type { RelayEmitter } from '../relay/events.ts';

/** What a relay has counted since it was made. */
export interface RelayMetrics {
  /** Events that Kafka has acknowledged; a repeat counts again. */
  readonly deliveredTotal: number;
  /** Failed tries of lanes, by `SendFailure.kind`; a kind that never came is missing. */
  readonly failuresTotal: Readonly<Record<string, number>>;
  /** Those of them in which Kafka did not let the relay in (docs/errors.md, "Logging in"). */
  readonly loginFailuresTotal: number;
  /** Times that Kafka has refused an event. */
  readonly refusalsTotal: number;
  /** Events that have become dead. */
  readonly deadTotal: number;
  /** 1 while Kafka is away, else 0. */
  readonly circuitOpen: 0 | 1;
}

/** Counts from now on. The result reads the numbers of the moment. */
export function countEvents(emitter: RelayEmitter): () => RelayMetrics {
  const failuresTotal: Record<string, number> = {};
  let deliveredTotal = 0;
  let loginFailuresTotal = 0;
  let refusalsTotal = 0;
  let deadTotal = 0;
  let circuitOpen: 0 | 1 = 0;
  emitter.on('delivered', ({ count }) => {
    deliveredTotal += count;
  });
  emitter.on('laneFailed', ({ failure: { kind, code } }) => {
    failuresTotal[kind] = (failuresTotal[kind] ?? 0) + 1;
    if (loginHint(code) !== null) loginFailuresTotal += 1;
  });
  emitter.on('refused', ({ dead }) => {
    refusalsTotal += 1;
    if (dead) deadTotal += 1;
  });
  emitter.on('circuit', ({ state }) => {
    circuitOpen = state === 'open' ? 1 : 0;
  });
  return () => ({
    deliveredTotal,
    failuresTotal: { ...failuresTotal },
    loginFailuresTotal,
    refusalsTotal,
    deadTotal,
    circuitOpen,
  });
}

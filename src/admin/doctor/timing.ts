/** Findings about times that must fit each other. Pure. */
import { limits } from '../../core/limits.ts';
import { type Finding, fine } from './finding.ts';

export interface Timing {
  readonly leaseMs: number;
  /** The longest that one send may take. */
  readonly sendTimeoutMs: number;
}

/** An error, as a relay is not even made with such options: CONFIG_INVALID. */
export function judgeTiming({ leaseMs, sendTimeoutMs }: Timing): Finding[] {
  const check = 'timing.lease';
  const found = `lease ${leaseMs} ms, longest send ${sendTimeoutMs} ms`;
  const leastMs = Math.ceil(sendTimeoutMs * limits.leasePerSendMin);
  if (leaseMs >= leastMs) return [fine(check, found)];
  const breaks =
    'The relay refuses it: it could lose a lane while its send is on the wire: out of order.';
  const mend = `Set leaseMs to ${leastMs} or more, a quarter above sendTimeoutMs, or lower that.`;
  return [{ check, severity: 'error', found, breaks, mend }];
}

/** Findings about times that must fit each other. Pure. */
import { type Finding, fine } from './finding.ts';

export interface Timing {
  readonly leaseMs: number;
  /** The longest that one send may take. */
  readonly sendTimeoutMs: number;
}

/** Renewals and clocks have their own delays: a lease needs a quarter more than a send. */
const leasePerSend = 1.25;

export function judgeTiming({ leaseMs, sendTimeoutMs }: Timing): Finding[] {
  const check = 'timing.lease';
  const found = `lease ${leaseMs} ms, longest send ${sendTimeoutMs} ms`;
  if (leaseMs >= sendTimeoutMs * leasePerSend) return [fine(check, found)];
  const breaks = 'A relay can lose a lane while its send is on the wire: repeats, out of order.';
  const mend = 'Set leaseMs to sendTimeoutMs and a quarter or more.';
  const severity = leaseMs > sendTimeoutMs ? 'warning' : 'error';
  return [{ check, severity, found, breaks, mend }];
}

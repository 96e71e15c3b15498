/** Rules between options. Each is checked when the options it needs are right by themselves. */
import { limits } from '../core/limits.ts';
import { type Fault, show } from './fault.ts';

type Options = Readonly<Record<string, unknown>>;

/**
 * @param given options as received
 * @param wrong paths that are faulty already
 */
export function crossFaults(given: Options, wrong: ReadonlySet<string>): Omit<Fault, 'origin'>[] {
  const faults: Omit<Fault, 'origin'>[] = [];
  const blame = (path: string, problem: string, value: unknown) => {
    faults.push({ path, problem, received: show(value) });
  };
  /** The value, its default, or `null` when it is faulty. */
  const number = (path: string, fallback: number): number | null => {
    const [name = '', inner] = path.split('.');
    if (wrong.has(path) || wrong.has(name)) return null;
    const value = inner === undefined ? given[name] : (given[name] as Options | undefined)?.[inner];
    return value === undefined ? fallback : (value as number);
  };

  // A send that outlives the lease could still be on the wire when the next owner sends.
  const leaseMs = number('leaseMs', limits.leaseMsDefault);
  const sendMs = number('sendTimeoutMs', limits.sendTimeoutMsDefault);
  if (leaseMs !== null && sendMs !== null && leaseMs < leaseMinMs(sendMs)) {
    const leastMs = leaseMinMs(sendMs);
    const problem = `must be ${leastMs} or more: sendTimeoutMs (${sendMs}) and a quarter`;
    blame('leaseMs', problem, leaseMs);
  }

  const batchBytes = number('batchBytes', limits.batchBytesDefault);
  const partBytes = number('batchPartitionBytes', limits.batchPartitionBytesDefault);
  if (batchBytes !== null && partBytes !== null && partBytes > batchBytes) {
    blame('batchPartitionBytes', `must not exceed batchBytes (${batchBytes})`, partBytes);
  }

  const delayMs = number('retry.delayMs', limits.delayMsDefault);
  const maxDelayMs = number('retry.maxDelayMs', limits.maxDelayMsDefault);
  const { backoff } = (given['retry'] ?? {}) as Options;
  if (
    delayMs !== null &&
    maxDelayMs !== null &&
    backoff === 'exponential' &&
    maxDelayMs < delayMs
  ) {
    blame('retry.maxDelayMs', `must not be below retry.delayMs (${delayMs})`, maxDelayMs);
  }

  const { brokers } = given;
  if (!wrong.has('brokers') && Array.isArray(brokers)) {
    for (const [index, broker] of brokers.entries()) {
      if (brokers.indexOf(broker) < index) blame(`brokers.${index}`, 'is given twice', broker);
    }
  }
  return faults;
}

/** A quarter more than the longest send: renewals and clocks have their own delays. */
function leaseMinMs(sendTimeoutMs: number): number {
  return Math.ceil(sendTimeoutMs * 1.25);
}

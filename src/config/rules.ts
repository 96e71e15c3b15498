/** Rules between options. Each is checked when the options it needs are right by themselves. */
import { limits } from '../core/limits.ts';
import { type Fault, show } from './fault.ts';

type Options = Readonly<Record<string, unknown>>;
type RuleFault = Omit<Fault, 'origin'>;

interface Given {
  /** As received. */
  readonly options: Options;
  /** Paths that are faulty already. */
  readonly wrong: ReadonlySet<string>;
  /** The value, its default, or `null` when it is faulty. */
  readonly number: (path: string, fallback: number) => number | null;
}

export type Rule = (given: Given) => RuleFault[];

/** A send that outlives the lease could still be on the wire when the next owner sends. */
const leaseOutlivesSend: Rule = ({ number }) => {
  const leaseMs = number('leaseMs', limits.leaseMsDefault);
  const sendMs = number('sendTimeoutMs', limits.sendTimeoutMsDefault);
  if (leaseMs === null || sendMs === null) return [];
  const leastMs = Math.ceil(sendMs * limits.leasePerSendMin);
  if (leaseMs >= leastMs) return [];
  const problem = `must be ${leastMs} or more: sendTimeoutMs (${sendMs}) and a quarter`;
  return [blame('leaseMs', problem, leaseMs)];
};

const partitionFitsBatch: Rule = ({ number }) => {
  const batchBytes = number('batchBytes', limits.batchBytesDefault);
  const partBytes = number('batchPartitionBytes', limits.batchPartitionBytesDefault);
  if (batchBytes === null || partBytes === null || partBytes <= batchBytes) return [];
  return [blame('batchPartitionBytes', `must not exceed batchBytes (${batchBytes})`, partBytes)];
};

const delayFitsItsBound: Rule = ({ options, number }) => {
  const delayMs = number('retry.delayMs', limits.delayMsDefault);
  const maxDelayMs = number('retry.maxDelayMs', limits.maxDelayMsDefault);
  const { backoff } = (options['retry'] ?? {}) as Options;
  if (delayMs === null || maxDelayMs === null || backoff !== 'exponential') return [];
  if (maxDelayMs >= delayMs) return [];
  return [blame('retry.maxDelayMs', `must not be below retry.delayMs (${delayMs})`, maxDelayMs)];
};

const brokersAreGivenOnce: Rule = ({ options, wrong }) => {
  const { brokers } = options;
  if (wrong.has('brokers') || !Array.isArray(brokers)) return [];
  return brokers.flatMap((broker, index) => {
    const again = brokers.indexOf(broker) < index;
    return again ? [blame(`brokers.${index}`, 'is given twice', broker)] : [];
  });
};

export const rules: readonly Rule[] = [
  leaseOutlivesSend,
  partitionFitsBatch,
  delayFitsItsBound,
  brokersAreGivenOnce,
];

/** What the rule of the lease refuses is a finding of the doctor, with what it would break. */
export const rulesOfDoctor = rules.filter((rule) => rule !== leaseOutlivesSend);

/**
 * @param options as received
 * @param wrong paths that are faulty already
 * @param asked the rules to check
 */
export function crossFaults(
  options: Options,
  wrong: ReadonlySet<string>,
  asked: readonly Rule[],
): RuleFault[] {
  const number = (path: string, fallback: number) => {
    const [name = '', inner] = path.split('.');
    if (wrong.has(path) || wrong.has(name)) return null;
    const outer = options[name];
    const value = inner === undefined ? outer : (outer as Options | undefined)?.[inner];
    return value === undefined ? fallback : (value as number);
  };
  return asked.flatMap((rule) => rule({ options, wrong, number }));
}

function blame(path: string, problem: string, value: unknown): RuleFault {
  return { path, problem, received: show(value) };
}

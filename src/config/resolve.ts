/** From options as given to a frozen configuration with every value; all faults at once. */
import type { z } from 'zod';
import { ConfigInvalidError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { RetryPolicy } from '../core/retry.ts';
import { optionsSchema, type RelayOptions } from './options.ts';

export interface RelayConfig {
  readonly db: string;
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly redis: string | null;
  readonly redisPrefix: string;
  readonly retry: RetryPolicy;
  readonly createTopics: NonNullable<RelayOptions['createTopics']>;
  readonly batchEvents: number;
  readonly batchBytes: number;
  readonly batchPartitionBytes: number;
  readonly recordBytesMax: number;
  readonly sendTimeoutMs: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly drainSliceMs: number;
  readonly retentionMs: number;
  readonly stopDeadlineMs: number;
  readonly headers: boolean;
  readonly source: string | null;
  readonly lanes: number | undefined;
  readonly logLevel: NonNullable<RelayOptions['logLevel']>;
}

export interface Fault {
  /** e.g. `retry.delayMs`, `brokers.0` */
  readonly path: string;
  readonly problem: string;
  /** The value received, as text; secrets masked; `undefined` when nothing was given. */
  readonly received: string | undefined;
}

/** @throws CONFIG_INVALID with every fault in `details.faults` */
export function resolveConfig(options: unknown): RelayConfig {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) fail(parsed.error.issues.flatMap((issue) => faultsOf(issue, options)));
  const config = withDefaults(parsed.data);
  const faults = crossFaults(config);
  if (faults.length > 0) fail(faults);
  return config;
}

export function fail(faults: readonly Fault[]): never {
  const lines = faults.map(({ path, problem, received }) => {
    const value = received === undefined ? '' : ` (received ${received})`;
    return `${path}: ${problem}${value}`;
  });
  throw new ConfigInvalidError(lines.join('; '), { details: { faults } });
}

function faultsOf(issue: z.core.$ZodIssue, options: unknown): Fault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = [...issue.path, key].join('.');
      return { path, problem: 'is not an option', received: undefined };
    });
  }
  const path = issue.path.map(String);
  const value = valueAt(options, path);
  const problem = value === undefined ? 'must be given' : issue.message;
  return [{ path: path.join('.') || 'options', problem, received: show(value) }];
}

function valueAt(options: unknown, path: readonly string[]): unknown {
  let value = options;
  for (const key of path) value = (value as Record<string, unknown> | null | undefined)?.[key];
  return value;
}

/** Never shows the password of a URL. */
export function show(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return JSON.stringify(text?.replace(/(\/\/[^:/@\s]*):[^@\s]*@/g, '$1:***@')).slice(0, 200);
}

function withDefaults(given: z.output<typeof optionsSchema>): RelayConfig {
  const { retry = {} } = given;
  return Object.freeze({
    db: given.db,
    brokers: Object.freeze([...given.brokers]),
    clientId: given.clientId ?? 'outbox-relay',
    redis: given.redis ?? null,
    redisPrefix: given.redisPrefix ?? '{outbox-relay}',
    retry: Object.freeze({
      retries: retry.retries ?? 60,
      delayMs: retry.delayMs ?? 5_000,
      backoff: retry.backoff ?? 'fixed',
      maxDelayMs: retry.maxDelayMs ?? 300_000,
      jitter: retry.jitter ?? 0,
    }),
    createTopics: given.createTopics ?? 'broker',
    batchEvents: given.batchEvents ?? limits.batchEventsDefault,
    batchBytes: given.batchBytes ?? limits.batchBytesDefault,
    batchPartitionBytes: given.batchPartitionBytes ?? limits.batchPartitionBytesDefault,
    recordBytesMax: given.recordBytesMax ?? limits.recordBytesMaxDefault,
    sendTimeoutMs: given.sendTimeoutMs ?? limits.sendTimeoutMsDefault,
    leaseMs: given.leaseMs ?? limits.leaseMsDefault,
    pollMs: given.pollMs ?? limits.pollMsDefault,
    drainSliceMs: given.drainSliceMs ?? limits.drainSliceMsDefault,
    retentionMs: given.retentionMs ?? limits.retentionMsDefault,
    stopDeadlineMs: given.stopDeadlineMs ?? limits.stopDeadlineMsDefault,
    headers: given.headers ?? true,
    source: given.source ?? null,
    lanes: given.lanes,
    logLevel: given.logLevel ?? 'info',
  });
}

function crossFaults(config: RelayConfig): Fault[] {
  const { leaseMs, sendTimeoutMs, batchBytes, batchPartitionBytes, retry } = config;
  const faults: Fault[] = [];
  const check = (ok: boolean, path: string, problem: string, received: unknown) => {
    if (!ok) faults.push({ path, problem, received: show(received) });
  };
  // A send that outlives the lease could still be on the wire when the next owner sends.
  const leaseMinMs = Math.ceil(sendTimeoutMs * 1.25);
  const lease = `must be ${leaseMinMs} or more, sendTimeoutMs (${sendTimeoutMs}) and a quarter`;
  check(leaseMs >= leaseMinMs, 'leaseMs', lease, leaseMs);
  const part = `must not exceed batchBytes (${batchBytes})`;
  check(batchPartitionBytes <= batchBytes, 'batchPartitionBytes', part, batchPartitionBytes);
  const bound = `must not be below retry.delayMs (${retry.delayMs})`;
  const bounded = retry.backoff === 'fixed' || retry.maxDelayMs >= retry.delayMs;
  check(bounded, 'retry.maxDelayMs', bound, retry.maxDelayMs);
  for (const [index, broker] of config.brokers.entries()) {
    const port = Number(broker.split(':')[1]);
    check(port > 0 && port < 65_536, `brokers.${index}`, 'port is not in 1 to 65535', broker);
  }
  return faults;
}

/** From options as given to a frozen configuration with every value; all faults at once. */
import type { z } from 'zod';
import { invariant } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { RetryPolicy } from '../core/retry.ts';
import { optionEntries } from './entries.ts';
import { type Fault, failWith, maskSecrets, nearest, show } from './fault.ts';
import type { LoadedOptions } from './load.ts';
import { optionsSchema, type RelayOptions } from './options.ts';
import { problemOf } from './problem.ts';
import { crossFaults, type Rule, rules } from './rules.ts';

export interface RelayConfig {
  readonly db: string;
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly redis: string | null;
  readonly redisPrefix: string;
  readonly retry: RetryPolicy;
  readonly createTopics: Readonly<NonNullable<RelayOptions['createTopics']>>;
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
  readonly migrate: 'auto' | 'check';
  readonly logLevel: NonNullable<RelayOptions['logLevel']>;
}

/** What the commands that need no Kafka take from the same sources. */
export interface FileConfig {
  readonly db: string;
  readonly lanes: number | undefined;
  readonly migrate: 'auto' | 'check';
  readonly recordBytesMax: number;
}

const partialSchema = optionsSchema.partial();
type Given = z.output<typeof partialSchema>;

/**
 * @param asked rules between options to check
 * @throws CONFIG_INVALID with every fault in `details.faults`
 */
export function resolveConfig(options: unknown, asked = rules): RelayConfig {
  return resolveLoaded({ options, origins: new Map(), file: undefined, faults: [] }, asked);
}

/** The same for options that were loaded: a fault says where the value came from. */
export function resolveLoaded(loaded: Loaded, asked = rules): RelayConfig {
  return withDefaults(check(loaded, ['db', 'brokers'], asked));
}

/**
 * Options of the file alone. The others may be missing; what is given of them must be right, as a
 * file of options is written once for all commands.
 * @throws CONFIG_INVALID with every fault in `details.faults`
 */
export function resolveFile(loaded: Loaded): FileConfig {
  const { db, lanes, migrate = 'auto', recordBytesMax } = check(loaded, ['db'], rules);
  invariant(db !== undefined, 'a checked option is there');
  return { db, lanes, migrate, recordBytesMax: recordBytesMax ?? limits.recordBytesMaxDefault };
}

type Loaded = Omit<LoadedOptions, 'options'> & { readonly options: unknown };

function check(loaded: Loaded, required: readonly string[], asked: readonly Rule[]): Given {
  const { options } = loaded;
  const parsed = partialSchema.safeParse(options);
  const faults: Fault[] = [...loaded.faults];
  if (!parsed.success) {
    const issues = parsed.error.issues.flatMap(flatten);
    faults.push(...issues.flatMap((issue) => faultsOf(issue, loaded)));
  }
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) {
    const given = options as Readonly<Record<string, unknown>>;
    for (const path of required) {
      if (given[path] === undefined) faults.push(missing(path));
    }
    // Rules between options hold for those that are right by themselves.
    const wrong = new Set(faults.map(({ path }) => path.replace(/\.\d+$/, '')));
    const broken = crossFaults(given, wrong, asked);
    faults.push(...broken.map((fault) => withOrigin(fault, loaded)));
  }
  if (faults.length > 0 || !parsed.success) failWith(faults);
  return parsed.data;
}

function missing(path: string): Fault {
  const entry = optionEntries.find((one) => one.path.join('.') === path);
  const problem = `must be given (--${entry?.facts.flag} or ${entry?.env})`;
  return { path, problem, received: undefined, origin: undefined };
}

/** A union's complaint hides those of its members; the one that got furthest is the news. */
function flatten(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const deepest = issue.errors.flat().filter((inner) => inner.path.length > 0);
  if (deepest.length === 0) return [issue];
  return deepest.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

function faultsOf(issue: z.core.$ZodIssue, loaded: Loaded): Fault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = maskSecrets([...issue.path, key || '""'].join('.'));
      const near = nearest(path, allPaths);
      const problem = near === undefined ? 'is not an option' : `is not an option; ${near} is`;
      return withOrigin({ path, problem, received: undefined }, loaded);
    });
  }
  const path = issue.path.map(String).join('.');
  const received = show(valueAt(loaded.options, issue.path), isSecret(path));
  return [withOrigin({ path: path || 'options', problem: problemOf(issue), received }, loaded)];
}

const allPaths = [...optionEntries.map(({ path }) => path.join('.')), 'retry'];

function isSecret(path: string): boolean {
  return optionEntries.some((one) => one.path.join('.') === path && one.facts.secret === true);
}

function withOrigin(fault: Omit<Fault, 'origin'>, { origins, file }: Loaded): Fault {
  const path = fault.path.replace(/\.\d+$/, '');
  const given = [...origins].find(([name]) => path === name || path.startsWith(`${name}.`));
  return { ...fault, origin: given?.[1] ?? file };
}

function valueAt(options: unknown, path: readonly PropertyKey[]): unknown {
  let value = options;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}

function withDefaults(given: Given): RelayConfig {
  const { db, brokers, retry = {}, createTopics = 'broker' } = given;
  invariant(db !== undefined && brokers !== undefined, 'a checked option is there');
  return Object.freeze({
    db,
    brokers: Object.freeze([...brokers]),
    clientId: given.clientId ?? 'outbox-relay',
    redis: given.redis ?? null,
    redisPrefix: given.redisPrefix ?? '{outbox-relay}',
    retry: Object.freeze({
      retries: retry.retries ?? limits.retriesDefault,
      delayMs: retry.delayMs ?? limits.delayMsDefault,
      backoff: retry.backoff ?? 'fixed',
      maxDelayMs: retry.maxDelayMs ?? limits.maxDelayMsDefault,
      jitter: retry.jitter ?? 0,
    }),
    createTopics: typeof createTopics === 'string' ? createTopics : Object.freeze(createTopics),
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
    migrate: given.migrate ?? 'auto',
    logLevel: given.logLevel ?? 'info',
  });
}

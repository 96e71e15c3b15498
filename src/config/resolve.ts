/** From options as given to a frozen configuration with every value; all faults at once. */
import type { z } from 'zod';
import { invariant } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { RetryPolicy } from '../core/retry.ts';
import type { BrokerSecurity, Compression } from '../sink/security.ts';
import { optionEntries } from './entries.ts';
import { type Fault, failWith, maskSecrets, nearest, type Secrecy, show } from './fault.ts';
import { fileFaults, kafkaFaults } from './kafka-rules.ts';
import type { LoadedOptions } from './load.ts';
import { optionsSchema } from './options.ts';
import { problemOf } from './problem.ts';
import type { RelayOptions } from './relay-options.ts';
import { crossFaults, type Rule, rules } from './rules.ts';
import { type FetchToken, securityOf } from './security.ts';

/** The options of a relay, checked, with every default filled in, frozen. */
export interface RelayConfig {
  readonly db: string;
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly redis: string | null;
  readonly redisPrefix: string;
  readonly retry: RetryPolicy;
  readonly bounds: Readonly<NonNullable<RelayOptions['bounds']>>;
  readonly governor: {
    readonly eventsPerSecond: number | null;
    readonly bytesPerSecond: number | null;
  };
  readonly deadLetter: { readonly order: 'block' | 'continue'; readonly topic: string | null };
  readonly security: BrokerSecurity;
  readonly compression: Compression;
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
  readonly delivery: 'at-least-once' | 'exactly-once';
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
  readonly bounds: RelayConfig['bounds'];
}

const partialSchema = optionsSchema.partial();
type Given = z.output<typeof partialSchema>;

/** What can be given in code only. */
export interface CodeOptions {
  /** Gives a token for each login with OAUTHBEARER. */
  readonly fetchKafkaToken?: FetchToken;
  /** Rules between options to check. Default: all. */
  readonly rules?: readonly Rule[];
}

/** @throws CONFIG_INVALID with every fault in `details.faults` */
export function resolveConfig(options: unknown, code: CodeOptions = {}): RelayConfig {
  const loaded = { options, origins: new Map(), file: undefined, faults: [] };
  return resolveLoaded(loaded, code);
}

/** The same for options that were loaded: a fault says where the value came from. */
export function resolveLoaded(loaded: Loaded, code: CodeOptions = {}): RelayConfig {
  const fetchToken = code.fetchKafkaToken ?? null;
  const given = check(loaded, ['db', 'brokers'], (options, wrong) => [
    ...crossFaults(options, wrong, code.rules ?? rules),
    ...kafkaFaults(options['kafka'], { wrong, hasCallback: fetchToken !== null }),
    ...fileFaults(options['kafka'], wrong),
  ]);
  return withDefaults(given, fetchToken);
}

/**
 * Options of the file alone. The others may be missing; what is given of them must be right, as a
 * file of options is written once for all commands.
 * @throws CONFIG_INVALID with every fault in `details.faults`
 */
export function resolveFile(loaded: Loaded): FileConfig {
  // How Kafka is reached is no business of theirs: its secrets need not be readable here.
  const {
    db,
    lanes,
    migrate = 'auto',
    recordBytesMax,
    bounds = {},
  } = check(loaded, ['db'], (options, wrong) => {
    return crossFaults(options, wrong, rules);
  });
  invariant(db !== undefined, 'a checked option is there');
  const bytesMax = recordBytesMax ?? limits.recordBytesMaxDefault;
  return { db, lanes, migrate, recordBytesMax: bytesMax, bounds };
}

type Loaded = Omit<LoadedOptions, 'options'> & { readonly options: unknown };

type BetweenOptions = (
  options: Readonly<Record<string, unknown>>,
  wrong: ReadonlySet<string>,
) => Omit<Fault, 'origin'>[];

function check(loaded: Loaded, required: readonly string[], between: BetweenOptions): Given {
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
    faults.push(...between(given, wrong).map((fault) => withOrigin(fault, loaded)));
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
  const deepest = issue.errors
    .flat()
    .filter(({ path, code }) => path.length > 0 || code === 'unrecognized_keys');
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
  const received = show(valueAt(loaded.options, issue.path), secrecyOf(path));
  return [withOrigin({ path: path || 'options', problem: problemOf(issue), received }, loaded)];
}

const groups = ['retry', 'deadLetter', 'bounds', 'governor', 'kafka'];
const allPaths = [...optionEntries.map(({ path }) => path.join('.')), ...groups];

/** What may be shown of the value at a path; what holds a secret, or is in one, counts too. */
function secrecyOf(path: string): Secrecy {
  for (const { path: names, facts } of optionEntries) {
    const name = names.join('.');
    if (facts.secret === undefined) continue;
    if (name === path || path.startsWith(`${name}.`)) return facts.secret;
    if (path !== '' && name.startsWith(`${path}.`)) return 'group';
  }
  return false;
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

function withDefaults(given: Given, fetchToken: FetchToken | null): RelayConfig {
  const { db, brokers, retry = {}, createTopics = 'broker', kafka = {} } = given;
  const { order = 'block', topic = null } = given.deadLetter ?? {};
  const { eventsPerSecond = null, bytesPerSecond = null } = given.governor ?? {};
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
    deadLetter: Object.freeze({ order, topic }),
    bounds: Object.freeze({ ...given.bounds }),
    governor: Object.freeze({ eventsPerSecond, bytesPerSecond }),
    security: securityOf(kafka, fetchToken),
    compression: kafka.compression ?? 'none',
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
    delivery: given.delivery ?? 'at-least-once',
    headers: given.headers ?? true,
    source: given.source ?? null,
    lanes: given.lanes,
    migrate: given.migrate ?? 'auto',
    logLevel: given.logLevel ?? 'info',
  });
}

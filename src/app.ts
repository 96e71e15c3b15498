/** The composition root: from options to parts, and from parts to an outbox or a relay. */
import { v7 as uuidv7 } from 'uuid';
import { type OutboxStatus, readStatus } from './admin/status.ts';
import type { RelayOptions } from './config/relay-options.ts';
import { type RelayConfig, resolveConfig } from './config/resolve.ts';
import { type Clock, systemClock } from './core/clock.ts';
import { ConfigInvalidError, invariant, RelayStateError } from './core/errors.ts';
import type { AnyTopics } from './core/event.ts';
import { limits } from './core/limits.ts';
import { Outbox } from './enqueue/outbox.ts';
import type { Database } from './outbox/sqlite/database.ts';
import { openSqliteOutbox } from './outbox/sqlite/open.ts';
import type { Bounds, OutboxStore } from './outbox/store.ts';
import { createRelayEmitter, type RelayEvents } from './relay/events.ts';
import type { StepHook } from './relay/lane-parts.ts';
import { RelayCore } from './relay/relay.ts';
import type { Driver } from './sink/driver.ts';
import { createKafkaJsDriver } from './sink/kafkajs/driver.ts';
import { ensureKerberos } from './sink/kafkajs/gssapi.ts';
import { choosePartition } from './sink/partitioner.ts';
import { logEvents, type RelayLogger } from './telemetry/log.ts';
import { countEvents, type RelayMetrics } from './telemetry/metrics.ts';
import { createBullMqTrigger } from './trigger/bullmq.ts';
import { createInProcessTrigger } from './trigger/in-process.ts';
import type { TriggerEvents } from './trigger/trigger.ts';

/** A file of the outbox's own, or the application's handle on the file that holds its tables. */
export type OutboxSource = { readonly path: string } | { readonly db: Database };

/** Whether opening may make or migrate tables; see {@link OpenOptions.migrate}. */
export type MigrateMode = 'auto' | 'check';

/** How {@link openOutbox} opens. */
export interface OpenOptions {
  /** Lanes of a new outbox, 1 to 256; must equal the file's. Default: 8, or the file's. */
  readonly lanes?: number;
  /** Lanes of a new outbox, while one that exists keeps its own. No effect beside `lanes`. */
  readonly lanesOfNew?: number;
  /** Largest key, value and headers of an event, bytes. Default: 1,000,000. */
  readonly recordBytesMax?: number;
  /** How much it may hold; beyond it events are refused with OUTBOX_FULL, and none is shed. */
  readonly bounds?: Bounds;
  /**
   * `auto` makes the tables and brings them to this version's schema; `check` refuses a file that
   * is not there yet: for deployments that run `outbox-relay migrate` themselves. Default: `auto`.
   */
  readonly migrate?: MigrateMode;
  /** Source of time. Default: the system's. */
  readonly clock?: Clock;
}

/**
 * Opens an outbox for writing, creating or migrating its tables. With `db`, the handle must be in
 * WAL with `synchronous=FULL`; nothing of it is changed.
 * @typeParam Topics topic names and the types of their values, e.g. `{ orders: Order }`; types
 *   only, nothing is checked when it runs. Default: any name, any value
 * @throws FILE_IN_MEMORY, FILE_ATTACHED, FILE_ON_NETWORK, FILE_UNUSABLE, FILE_DAMAGED,
 *   SQLITE_TOO_OLD, SQLITE_SECOND_COPY, WAL_UNAVAILABLE, SYNCHRONOUS_NOT_FULL, SCHEMA_NEWER,
 *   MIGRATION_FAILED, LANES_DIFFER, CONFIG_INVALID; with `migrate: 'check'` FILE_NOT_FOUND,
 *   SCHEMA_MISSING
 */
export function openOutbox<Topics extends object = AnyTopics>(
  source: OutboxSource,
  options: OpenOptions = {},
): Outbox<Topics> {
  const { clock = systemClock, recordBytesMax = limits.recordBytesMaxDefault, lanes } = options;
  const { migrate: schema = 'auto', lanesOfNew } = options;
  if (!Number.isInteger(recordBytesMax) || recordBytesMax < 1) {
    throw new ConfigInvalidError(`recordBytesMax: ${recordBytesMax} is not a whole number from 1`);
  }
  if (schema !== 'auto' && schema !== 'check') {
    throw new ConfigInvalidError(
      `migrate: must be "auto" or "check", not ${JSON.stringify(schema)}`,
    );
  }
  const bounds = checkBounds(options.bounds ?? {});
  const opened = openSqliteOutbox(source, { clock, schema, lanes, lanesOfNew, bounds });
  return new Outbox<Topics>({
    path: opened.path,
    appender: opened.appender,
    rules: { recordBytesMax, newId: uuidv7, now: () => clock.now() },
    transaction: opened.transaction,
    openStore: opened.openStore,
    close: opened.close,
  });
}

/** @throws CONFIG_INVALID */
function checkBounds(bounds: Bounds): Bounds {
  for (const [name, value] of Object.entries(bounds)) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
    throw new ConfigInvalidError(`bounds.${name}: ${value} is not a whole number from 0`);
  }
  return bounds;
}

/** What only code can give, and parts that a test may replace. */
export interface RelayHooks extends LoggerOption {
  /**
   * Gives a token for each login with OAUTHBEARER when neither endpoint nor file is set, e.g. a
   * signer for AWS MSK IAM. What it rejects with is an outage, and its message is logged.
   */
  readonly fetchKafkaToken?: () => Promise<string>;
  /** As {@link OpenOptions.lanesOfNew}. */
  readonly lanesOfNew?: number;
  readonly clock?: Clock;
  /** Makes the sink in place of kafkajs. Default: kafkajs. */
  readonly createDriver?: (config: RelayConfig) => Driver;
  /** Called at the named steps of every drain; it may take its time, or end the process. */
  readonly onStep?: StepHook;
  /** `false` keeps the sweep from draining in this process; no effect without Redis. */
  readonly inProcessDrain?: boolean;
}

/** A relay of one outbox. Installs no signal handlers and never ends the process. */
export class Relay {
  readonly #config: RelayConfig;
  readonly #hooks: RelayHooks;
  readonly #clock: Clock;
  readonly #emitter = createRelayEmitter();
  readonly #readMetrics = countEvents(this.#emitter);
  #core: RelayCore | null = null;
  #store: OutboxStore | null = null;
  #state: 'new' | 'started' | 'stopped' = 'new';
  #stopping: Promise<void> | null = null;

  constructor(config: RelayConfig, hooks: RelayHooks) {
    this.#config = config;
    this.#hooks = hooks;
    this.#clock = hooks.clock ?? systemClock;
    if (hooks.logger !== undefined) logEvents(this.#emitter, hooks.logger);
  }

  /** Listens to one of {@link RelayEvents}. */
  on<K extends keyof RelayEvents>(name: K, listener: (...args: RelayEvents[K]) => void): this {
    this.#emitter.on(name, listener as never);
    return this;
  }

  /** As {@link Relay.on}, for the next one only. */
  once<K extends keyof RelayEvents>(name: K, listener: (...args: RelayEvents[K]) => void): this {
    this.#emitter.once(name, listener as never);
    return this;
  }

  /** Takes a listener away again. */
  off<K extends keyof RelayEvents>(name: K, listener: (...args: RelayEvents[K]) => void): this {
    this.#emitter.off(name, listener as never);
    return this;
  }

  /**
   * Opens the outbox (making it if need be) and begins to relay. Kafka and Redis may both be away.
   * @throws what opening an outbox throws; RELAY_STATE when it was started before
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new RelayStateError(`the relay is ${this.#state}`);
    this.#state = 'started';
    const { db: path, lanes, migrate: schema } = this.#config;
    const { lanesOfNew } = this.#hooks;
    const how = { clock: this.#clock, schema, lanes, lanesOfNew, mayUseReserve: true };
    const opened = openSqliteOutbox({ path }, how);
    this.#store = opened.openStore();
    opened.close();
    const parts = { config: this.#config, hooks: this.#hooks, emitter: this.#emitter };
    try {
      this.#core = createCore({ ...parts, store: this.#store });
      await this.#core.start();
    } catch (error) {
      if (this.#core === null) this.#store.close(); // otherwise the core's to close
      await this.stop({ deadlineMs: 0 }).catch(() => {}); // why it did not start is the news
      throw error;
    }
  }

  /**
   * Takes no new work, waits for running drains, gives everything back. Legal before start and
   * twice.
   * @param options.deadlineMs how long to wait for running drains. Default: `stopDeadlineMs`
   * @throws STOP_DEADLINE when a drain had to be cut off; its events stay in the outbox
   */
  stop(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#state = 'stopped';
    const deadlineMs = options.deadlineMs ?? this.#config.stopDeadlineMs;
    this.#stopping ??= this.#core?.stop(deadlineMs) ?? Promise.resolve();
    return this.#stopping;
  }

  /** As `outbox-relay status --json`. Needs a started relay. */
  status(): OutboxStatus {
    if (this.#state !== 'started' || this.#store === null) {
      throw new RelayStateError('the relay is not running');
    }
    return readStatus(this.#store, this.#clock);
  }

  /**
   * Asks whether a Kafka broker answers, for at most 5 s. An idle relay asks nothing by itself; the
   * answer opens or closes the circuit. Needs a started relay.
   */
  askKafka(): Promise<boolean> {
    if (this.#state !== 'started' || this.#core === null) {
      return Promise.reject(new RelayStateError('the relay is not running'));
    }
    return this.#core.askKafka();
  }

  /** Counts since the relay was made, in memory. Legal at any time. */
  metrics(): RelayMetrics {
    return this.#readMetrics();
  }

  /** As {@link Relay.stop}, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/**
 * Makes a relay; nothing is opened before `start()`.
 * @throws CONFIG_INVALID with every fault at once; KERBEROS_MISSING
 */
export function createRelay(
  { logger, ...options }: RelayOptions & LoggerOption,
  hooks: RelayHooks = {},
): Relay {
  const config = resolveConfig(options, hooks);
  if (config.security.login?.mechanism === 'GSSAPI') ensureKerberos();
  return new Relay(config, logger === undefined ? hooks : { ...hooks, logger });
}

/** Where a relay logs. */
export interface LoggerOption {
  /** Told what the relay does, e.g. a pino logger; never a key or value. Default: silence. */
  readonly logger?: RelayLogger;
}

interface CoreParts {
  readonly config: RelayConfig;
  readonly hooks: RelayHooks;
  readonly store: OutboxStore;
  readonly emitter: ReturnType<typeof createRelayEmitter>;
}

function createCore({ config, hooks, store, emitter }: CoreParts): RelayCore {
  const clock = hooks.clock ?? systemClock;
  const { retry, redis, deadLetter } = config;
  const { lanes, outboxId } = store.identity;
  const onWarning = (code: string, message: string, cause: unknown) => {
    emitter.emit('warning', { code, message, cause });
  };
  const inProcess = (events: TriggerEvents) =>
    createInProcessTrigger({ lanes, retry, clock, events });
  const bullMq = (events: TriggerEvents) => {
    invariant(redis !== null, 'a BullMQ trigger has a URL');
    const queue = { url: redis, prefix: config.redisPrefix, outboxId };
    return createBullMqTrigger({ ...queue, lanes, retry, clock, events, onWarning });
  };
  const { brokers, clientId, createTopics, security, compression } = config;
  const kafka = { brokers, clientId, createTopics, security, compression, clock, onWarning };
  const driver = hooks.createDriver?.(config) ?? createKafkaJsDriver(kafka);
  if (config.delivery === 'exactly-once' && driver.createTransactionalSender === undefined) {
    throw new ConfigInvalidError(`delivery: the driver ${driver.name} has no transactions`);
  }
  return new RelayCore({
    store,
    driver,
    clock,
    emitter,
    createPrimary: redis === null ? inProcess : bullMq,
    createFallback: redis === null || hooks.inProcessDrain === false ? null : inProcess,
    partitioner: choosePartition,
    retry,
    deadLetter: {
      deadBlocks: deadLetter.order === 'block',
      deadLetterTopic: deadLetter.topic,
    },
    governor: config.governor,
    bounds: {
      events: config.batchEvents,
      bytes: config.batchBytes,
      partitionBytes: config.batchPartitionBytes,
    },
    source: config.headers ? (config.source ?? outboxId) : null,
    sendTimeoutMs: config.sendTimeoutMs,
    leaseMs: config.leaseMs,
    pollMs: config.pollMs,
    drainSliceMs: config.drainSliceMs,
    retentionMs: config.retentionMs,
    delivery: config.delivery,
    onStep: hooks.onStep ?? (() => {}),
    logsIn: security.login !== null,
  });
}

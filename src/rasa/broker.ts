/**
 * Rasa's `KafkaEventBroker`, durable: the same options and the same records, by way of an outbox.
 *
 * `publish` commits the event to a SQLite file and resolves; it asks neither Kafka nor Redis. The
 * relay, in this process unless told otherwise, brings it to Kafka whenever that can be. Killed at
 * any moment, the next broker on the same file goes on with what is in it. docs/rasa.md tells each
 * option, and where the original was wrong.
 */
import { accessSync, constants } from 'node:fs';
import { createRelay, openOutbox, type Relay, type RelayHooks } from '../app.ts';
import type { RelayConfig } from '../config/resolve.ts';
import { systemClock } from '../core/clock.ts';
import {
  EventInvalidError,
  EventTooLargeError,
  KafkaProducerInitializationError,
  OutboxRelayError,
} from '../core/errors.ts';
import type { AppendResult } from '../core/event.ts';
import type { Outbox } from '../enqueue/outbox.ts';
import type { RelayLogger } from '../telemetry/log.ts';
import { checkType, type EventBrokerConfig, readEndpoints } from './endpoints.ts';
import { type RasaEvent, toOutboxEvent } from './event.ts';
import { KafkaWatch } from './kafka-watch.ts';
import { fromLevel, stderrLogger } from './loglevel.ts';
import {
  type BrokerSettings,
  type KafkaEventBrokerOptions,
  lanesOfNew,
  readSettings,
} from './options.ts';
import { checkRelayOptions, toRelayOptions } from './relay-options.ts';

const environmentName = 'RASA_ENVIRONMENT';
const environmentNotSet = 'RASA_ENVIRONMENT_NOT_SET';
const closeDeadlineMsDefault = 5_000;
/** After a write that the file did not take, it counts as not writable for this long. */
const writeFailedMs = 5_000;

/** Rasa's Kafka event broker over an outbox: what `publish` has taken reaches Kafka. */
export class KafkaEventBroker {
  /** Names of options that were given and mean nothing here; a warning has told them too. */
  readonly unknownOptions: readonly string[];
  readonly #settings: BrokerSettings;
  readonly #config: RelayConfig;
  readonly #logger: RelayLogger;
  readonly #outbox: Outbox;
  readonly #watch: KafkaWatch | null;
  readonly #relay: Relay | null;
  #environment: string | null | undefined;
  #starting: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #writeFailedAtMs: number | null = null;

  /**
   * Opens the outbox, making the file if need be, and begins to relay. Connects to nothing: an
   * outage is no error.
   * @param hooks what only code can give, e.g. `fetchKafkaToken`, and parts that a test may replace
   * @throws SECURITY_PROTOCOL_INVALID; KAFKA_PRODUCER_INITIALIZATION for any other setting that
   *   can never work: a mechanism, a file that cannot be read, no url; and what `openOutbox` throws
   */
  constructor(options: KafkaEventBrokerOptions, hooks: RelayHooks = {}) {
    const settings = readSettings(options);
    const relayOptions = toRelayOptions(settings);
    this.#config = checkRelayOptions(relayOptions, hooks);
    this.#settings = settings;
    this.unknownOptions = settings.unknownOptions;
    const { outboxPath, level, topic, unknownOptions } = settings;
    const logger = settings.logger ?? stderrLogger();
    this.#logger = fromLevel(logger, level);
    const { lanes, migrate, recordBytesMax, bounds } = this.#config;
    const given = lanes === undefined ? {} : { lanes };
    const how = { ...given, lanesOfNew, migrate, recordBytesMax, bounds };
    this.#outbox = openOutbox({ path: outboxPath }, how);
    try {
      this.#refuseTopic(topic);
      this.#relay = settings.runRelay
        ? createRelay({ ...relayOptions, logger: this.#logger }, hooks)
        : null;
    } catch (error) {
      void this.#outbox.close();
      throw error;
    }
    this.#watch = this.#relay && new KafkaWatch(this.#relay, hooks.clock ?? systemClock);
    // Not at loglevel: it is about the configuration, and said once.
    if (unknownOptions.length > 0)
      logger.warn({ unknownOptions }, 'options without a meaning here');
    this.start().catch((error: unknown) => {
      if (this.#closing !== null) return; // stopped while it was starting
      this.#logger.error({ cause: String(error) }, 'the relay did not start; events wait');
    });
  }

  /**
   * A broker from the `event_broker:` of an endpoints.yml, its relay started. Resolves with `null`
   * for no config, or a file without `event_broker:`.
   * @param config the mapping itself, or the path of an endpoints.yml, in which `${NAME}` stands
   *   for an environment variable
   * @throws (rejects with) CONFIG_INVALID: file unreadable, variable not set, a type other than
   *   kafka; what the constructor and `createRelay(…).start()` throw
   */
  static async fromEndpointConfig(
    config: EventBrokerConfig | string | null | undefined,
  ): Promise<KafkaEventBroker | null> {
    if (config === null || config === undefined) return null;
    const given = typeof config === 'string' ? readEndpoints(config, process.env) : config;
    if (given === null) return null;
    checkType(given);
    const broker = new KafkaEventBroker(given as KafkaEventBrokerOptions);
    try {
      await broker.start();
    } catch (error) {
      await broker.close();
      throw error;
    }
    return broker;
  }

  /** The outbox, e.g. to publish records of other topics or with headers of your own. */
  get outbox(): Outbox {
    return this.#outbox;
  }

  /** `null` with `run_relay: false`. */
  get relay(): Relay | null {
    return this.#relay;
  }

  /**
   * `RASA_ENVIRONMENT` as it was at the first look, `RASA_ENVIRONMENT_NOT_SET` when it was not
   * set, `null` when it was empty: then records have no such header.
   */
  get rasaEnvironment(): string | null {
    this.#environment ??= process.env[environmentName] ?? environmentNotSet;
    return this.#environment === '' ? null : this.#environment;
  }

  /** Resolves when the relay runs; begun by the constructor. Rejects as `createRelay` starts. */
  start(): Promise<void> {
    this.#starting ??= this.#relay === null ? Promise.resolve() : this.#startRelay(this.#relay);
    return this.#starting;
  }

  async #startRelay(relay: Relay): Promise<void> {
    await relay.start();
    this.#watch?.refresh();
  }

  /**
   * Stores the event; resolves when it is durable. Never waits for Kafka or Redis, and an outage,
   * however long, drops nothing: `retries` and the delay are for refusals of this event alone.
   * @param retries tries after the first one, 0 to 1,000,000. Default: the relay's, 60
   * @param retryDelayInSeconds between them, 0 to a day. Default: the relay's, 5
   * @throws (rejects with) EVENT_INVALID, also without `sender_id` when that is the key;
   *   EVENT_TOO_LARGE, OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO, OUTBOX_CLOSED, OUTCOME_UNKNOWN
   */
  async publish(
    event: RasaEvent,
    retries: number = this.#config.retry.retries,
    retryDelayInSeconds: number = this.#config.retry.delayMs / 1_000,
  ): Promise<AppendResult> {
    const { topic, partitionBySender } = this.#settings;
    const { retry } = this.#config;
    const patience = { retries, delaySeconds: retryDelayInSeconds };
    const environment = this.rasaEnvironment;
    const rules = { topic, partitionBySender, environment, retry };
    const record = toOutboxEvent(event, patience, rules);
    try {
      const result = await this.#outbox.publish(record);
      this.#writeFailedAtMs = null;
      return result;
    } catch (error) {
      const events = error instanceof EventInvalidError || error instanceof EventTooLargeError;
      if (!events) this.#writeFailedAtMs = systemClock.monotonic();
      throw error;
    }
  }

  /**
   * Whether events are accepted and, where the relay is ours, delivered: the file is there and may
   * be written, no write has failed in the last 5 s, the relay runs, and Kafka answered when it was
   * asked last. Asks again, for the next call, when that is longer than 5 s ago (0.5 s when it did
   * not answer). With `run_relay: false` it tells nothing about Kafka.
   */
  isReady(): boolean {
    if (this.#closing !== null || !this.#writable()) return false;
    return this.#watch === null || this.#watch.isReady();
  }

  #writable(): boolean {
    const failedMs = this.#writeFailedAtMs;
    if (failedMs !== null && systemClock.monotonic() - failedMs < writeFailedMs) return false;
    try {
      accessSync(this.#outbox.path, constants.W_OK); // looked at, never opened: SQLite has it open
      return true;
    } catch {
      return false; // gone, or not ours to write
    }
  }

  /**
   * Takes nothing more, finishes what is being published, and lets the relay deliver what waits
   * while Kafka answers. What is not delivered at the deadline stays in the file, for the next
   * broker on it. Legal twice; does not reject because of an outage.
   * @param options.deadlineMs for delivering, and again for stopping. Default: 5,000
   */
  close(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.deadlineMs ?? closeDeadlineMsDefault);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    try {
      await this.#outbox.close();
      await this.#watch?.drained(deadlineMs);
    } finally {
      await this.#stopRelay(deadlineMs);
    }
  }

  async #stopRelay(deadlineMs: number): Promise<void> {
    try {
      await this.#relay?.stop({ deadlineMs });
    } catch (error) {
      if (!(error instanceof OutboxRelayError && error.code === 'STOP_DEADLINE')) throw error;
      this.#logger.warn({ code: error.code }, 'a drain was cut off; its events stay in the file');
    }
  }

  /** As {@link KafkaEventBroker.close}, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A topic that no event may have would make every publish fail. */
  #refuseTopic(topic: string): void {
    try {
      this.#outbox.validate({ topic, value: '' });
    } catch (error) {
      if (!(error instanceof EventInvalidError)) throw error;
      throw new KafkaProducerInitializationError(error.message, { cause: error });
    }
  }
}

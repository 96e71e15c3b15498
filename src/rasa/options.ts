/**
 * The options of the event broker under the seed's own names, and what is made of them. Reads
 * nothing but what it is given; whether files can be read is security.ts's question.
 */
import type { RelayOptions } from '../config/relay-options.ts';
import { KafkaProducerInitializationError } from '../core/errors.ts';
import type { RelayLogger } from '../telemetry/log.ts';
import { levelOf } from './loglevel.ts';

/** docs/rasa.md says of each what it does here. Names that are not listed are only reported. */
export interface KafkaEventBrokerOptions {
  /** `host[:port]`, several with commas, or a list of them. Default port: 9092. Required. */
  readonly url: string | readonly string[] | null;
  /** Default: `rasa_core_events`. */
  readonly topic?: string | null;
  /** Name of this client in the broker's logs. Default: `outbox-relay`. */
  readonly client_id?: string | null;
  /** Whether the record's key is the event's `sender_id`. Default: false, records without key. */
  readonly partition_by_sender?: boolean | null;
  readonly sasl_username?: string | null;
  readonly sasl_password?: string | null;
  /** PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or GSSAPI. Default: `PLAIN`. */
  readonly sasl_mechanism?: string | null;
  /** PEM file of certificates to trust. Default: the system's. */
  readonly ssl_cafile?: string | null;
  /** PEM file of the client certificate; needs `ssl_keyfile`. */
  readonly ssl_certfile?: string | null;
  readonly ssl_keyfile?: string | null;
  /** Whether the broker's certificate must be for its host name. Default: false. */
  readonly ssl_check_hostname?: boolean | null;
  /** PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. Default: `SASL_PLAINTEXT`. */
  readonly security_protocol?: string | null;
  /** As in Python: a number, or DEBUG, INFO, WARNING, ERROR, CRITICAL. Default: `ERROR`. */
  readonly loglevel?: number | string | null;
  /** The SQLite file, made if there is none. Default: `./rasa-events.db`. */
  readonly outbox_path?: string | null;
  /** Redis for the relay's jobs. Default: none, the relay wakes itself with timers. */
  readonly redis_url?: string | null;
  /** Whether the relay runs in this process. Default: true. */
  readonly run_relay?: boolean | null;
  /** Further options of the relay, under its own names (docs/configuration.md). */
  readonly relay?: Partial<Omit<RelayOptions, 'db' | 'brokers'>> | null;
  /** Where log lines go. Default: JSON lines on stderr. */
  readonly logger?: RelayLogger | null;
  readonly [other: string]: unknown;
}

/** The options, complete and of the right types. */
export interface BrokerSettings {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly clientId: string | null;
  readonly partitionBySender: boolean;
  readonly username: string | null;
  readonly password: string | null;
  readonly mechanism: string;
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly checkHostname: boolean;
  readonly protocol: string;
  /** As Python counts: DEBUG is 10, ERROR is 40. */
  readonly level: number;
  readonly outboxPath: string;
  readonly redisUrl: string | null;
  readonly runRelay: boolean;
  readonly relay: Readonly<Record<string, unknown>>;
  readonly logger: RelayLogger | null;
  /** Names that were given and mean nothing here. */
  readonly unknownOptions: readonly string[];
}

type Given = Readonly<Record<string, unknown>>;

/** Every option that means something here. */
export const knownOptions: ReadonlySet<string> = new Set(
  [
    'type url topic client_id partition_by_sender sasl_username sasl_password sasl_mechanism',
    'ssl_cafile ssl_certfile ssl_keyfile ssl_check_hostname security_protocol loglevel',
    'outbox_path redis_url run_relay relay logger',
  ].flatMap((names) => names.split(' ')),
);

const defaultPort = 9092;

/**
 * Lanes of an event broker's own file. Events without a key have no order but that of their lane,
 * and Rasa's, of one producer, arrive in the order of their publishing in each partition.
 */
export const lanesOfNew = 1;

/** @throws KAFKA_PRODUCER_INITIALIZATION with the name of the option at fault */
export function readSettings(given: Given): BrokerSettings {
  if (typeof given !== 'object' || given === null) {
    throw new KafkaProducerInitializationError('the event broker needs options, url among them');
  }
  return Object.freeze({
    brokers: brokersOf(given['url']),
    topic: text(given, 'topic') ?? 'rasa_core_events',
    clientId: text(given, 'client_id'),
    partitionBySender: flag(given, 'partition_by_sender', false),
    username: secret(given, 'sasl_username'),
    password: secret(given, 'sasl_password'),
    mechanism: (text(given, 'sasl_mechanism') ?? 'PLAIN').toUpperCase(),
    caFile: text(given, 'ssl_cafile'),
    certFile: text(given, 'ssl_certfile'),
    keyFile: text(given, 'ssl_keyfile'),
    checkHostname: flag(given, 'ssl_check_hostname', false),
    protocol: (text(given, 'security_protocol') ?? 'SASL_PLAINTEXT').toUpperCase(),
    level: levelOf(given['loglevel'] ?? 'ERROR'),
    outboxPath: text(given, 'outbox_path') ?? './rasa-events.db',
    redisUrl: text(given, 'redis_url'),
    runRelay: flag(given, 'run_relay', true),
    relay: relayOf(given['relay']),
    logger: loggerOf(given['logger']),
    unknownOptions: Object.keys(given).filter((name) => !knownOptions.has(name)),
  });
}

function brokersOf(url: unknown): string[] {
  const list = Array.isArray(url) ? url : [url];
  if (list.some((one) => typeof one !== 'string')) {
    throw new KafkaProducerInitializationError('url: must be given, as text or a list of texts');
  }
  const hosts = (list as string[]).flatMap((one) => one.split(',')).map((one) => one.trim());
  const named = hosts.filter((host) => host !== '');
  if (named.length === 0) throw new KafkaProducerInitializationError('url: names no broker');
  return [...new Set(named.map((host) => (host.includes(':') ? host : `${host}:${defaultPort}`)))];
}

/** What YAML has read as a number has lost its zeros and more: a login would fail for ever. */
function secret(given: Given, name: string): string | null {
  if (typeof given[name] !== 'number') return text(given, name);
  throw new KafkaProducerInitializationError(`${name}: is a number here; put it in quotes`);
}

/** An empty text is none. */
function text(given: Given, name: string): string | null {
  const value = given[name] ?? null;
  if (value === null || value === '') return null;
  if (typeof value === 'string') return value;
  if (Number.isSafeInteger(value)) return String(value);
  throw new KafkaProducerInitializationError(`${name}: must be text, not ${typeof value}`);
}

/** Text is what an environment variable gives; Python would take `false` there for true. */
function flag(given: Given, name: string, fallback: boolean): boolean {
  const value = given[name] ?? fallback;
  if (typeof value === 'boolean') return value;
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (word === 'true' || word === 'false') return word === 'true';
  throw new KafkaProducerInitializationError(`${name}: must be true or false`);
}

/** What the broker's own options tell the relay; given twice, they could mean two outboxes. */
const ownNames = { db: 'outbox_path', brokers: 'url', clientId: 'client_id', redis: 'redis_url' };

function relayOf(relay: unknown): Readonly<Record<string, unknown>> {
  if (relay === undefined || relay === null) return {};
  if (typeof relay !== 'object' || Array.isArray(relay)) {
    throw new KafkaProducerInitializationError('relay: must be options by name');
  }
  for (const [name, own] of Object.entries(ownNames)) {
    if (!(name in relay)) continue;
    throw new KafkaProducerInitializationError(`relay.${name}: is said by ${own}`);
  }
  return relay as Record<string, unknown>;
}

/** As pino's; anything else, e.g. a text from an endpoints.yml, could not be called. */
function loggerOf(logger: unknown): RelayLogger | null {
  if (logger === undefined || logger === null) return null;
  const levels = ['debug', 'info', 'warn', 'error'] as const;
  const fits = levels.every((level) => {
    return typeof (logger as Partial<RelayLogger>)[level] === 'function';
  });
  if (fits) return logger as RelayLogger;
  throw new KafkaProducerInitializationError('logger: must have debug, info, warn and error');
}

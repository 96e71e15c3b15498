/** From the event broker's settings to the relay's options. */
import type { RelayOptions } from '../config/relay-options.ts';
import { type CodeOptions, type RelayConfig, resolveConfig } from '../config/resolve.ts';
import { ConfigInvalidError, KafkaProducerInitializationError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { BrokerSettings } from './options.ts';
import { securityOf } from './security.ts';

type Group = Readonly<Record<string, unknown>>;

/**
 * Not yet checked as the relay's options: see {@link checkRelayOptions}.
 * @throws SECURITY_PROTOCOL_INVALID, KAFKA_PRODUCER_INITIALIZATION
 */
export function toRelayOptions(settings: BrokerSettings): RelayOptions {
  const { brokers, clientId, redisUrl, outboxPath, relay } = settings;
  const { kafka: moreKafka, retry: moreRetry, ...more } = relay;
  // Whether there is TLS or a login is the protocol's to say.
  const { ssl: _ssl, sasl: _sasl, ...others } = (moreKafka ?? {}) as Group;
  const kafka = { ...others, ...securityOf(settings, moreKafka as Group) };
  const retry = { retries: limits.retriesDefault, delayMs: limits.delayMsDefault };
  const options = {
    db: outboxPath,
    brokers: [...brokers],
    ...(clientId === null ? {} : { clientId }),
    ...(redisUrl === null ? {} : { redis: redisUrl }),
    retry: { ...retry, ...(moreRetry as Group) },
    ...more,
    ...(Object.keys(kafka).length === 0 ? {} : { kafka }),
  };
  return options as RelayOptions;
}

/** Names of the seed for what the relay calls otherwise. */
const seedNames: Readonly<Record<string, string>> = {
  db: 'outbox_path',
  brokers: 'url',
  clientId: 'client_id',
  redis: 'redis_url',
};

/** @throws KAFKA_PRODUCER_INITIALIZATION with every fault, under the names of the seed */
export function checkRelayOptions(options: RelayOptions, code: CodeOptions = {}): RelayConfig {
  try {
    return resolveConfig(options, code);
  } catch (error) {
    if (!(error instanceof ConfigInvalidError)) throw error;
    const message = error.message.replace(/(^|; )(\w+)/g, (found, start: string, name: string) => {
      return name in seedNames ? `${start}${seedNames[name]}` : found;
    });
    throw new KafkaProducerInitializationError(message, { cause: error });
  }
}

/** Puts `verify` together: from options to an outbox, a reader, and a verdict. */
import { type Verification, verify } from './admin/verify.ts';
import type { RelayOptions } from './config/relay-options.ts';
import { resolveConfig } from './config/resolve.ts';
import { type Clock, systemClock } from './core/clock.ts';
import { openSqliteOutbox } from './outbox/sqlite/open.ts';
import { createKafkaJsReader } from './sink/kafkajs/reader.ts';

/** What a caller of {@link verifyDelivery} may say. */
export interface VerifyOptions {
  /** Only this topic. Default: all. */
  readonly topic?: string;
  /** Without a record for this long it is given up, milliseconds. Default: 30,000. */
  readonly patienceMs?: number;
  /** Told before each topic, and every 10,000 records. Default: nobody. */
  readonly onProgress?: (topic: string, records: number) => void;
  /** Source of time. Default: the system's. */
  readonly clock?: Clock;
  /** As for a relay. */
  readonly fetchKafkaToken?: () => Promise<string>;
}

const patienceMsDefault = 30_000;

/**
 * Reads back from Kafka what the outbox says is delivered, for as long as the outbox keeps it
 * (`retentionMs`), and reports missing, duplicated and misordered events. Changes nothing but for a
 * consumer group of its own, `outbox-relay-verify-…`, which Kafka forgets.
 * @param options as for `createRelay`
 * @throws CONFIG_INVALID, what opening an outbox throws, READ_FAILED
 */
export async function verifyDelivery(
  options: RelayOptions,
  given: VerifyOptions = {},
): Promise<Verification> {
  const { clock = systemClock, topic = null, patienceMs = patienceMsDefault } = given;
  const { db: path, brokers, clientId, security } = resolveConfig(options, given);
  const opened = openSqliteOutbox({ path, create: false }, { clock, schema: 'check' });
  const store = opened.openOperator();
  opened.close();
  const kafka = { brokers, clientId, security, clock, createTopics: 'never' } as const;
  const reader = createKafkaJsReader(kafka);
  const onProgress = given.onProgress ?? (() => {});
  try {
    return await verify({ store, reader, topic, patienceMs, onProgress });
  } finally {
    await reader.close();
    store.close();
  }
}

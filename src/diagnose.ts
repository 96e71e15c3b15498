/** Puts the doctor together: from options to questions, and from questions to a diagnosis. */
import { type Diagnosis, examine } from './admin/doctor/doctor.ts';
import { maskSecrets } from './config/fault.ts';
import type { RelayOptions } from './config/relay-options.ts';
import { resolveConfig } from './config/resolve.ts';
import { rulesOfDoctor } from './config/rules.ts';
import { type Clock, systemClock } from './core/clock.ts';
import { limits } from './core/limits.ts';
import { inspectOutboxFile } from './outbox/sqlite/inspect.ts';
import { inspectKafka } from './sink/kafkajs/inspect.ts';
import { inspectRedis } from './trigger/inspect.ts';

/** What a caller of {@link diagnose} may pass along. */
export interface DiagnoseHooks {
  /** Gives up at once when it aborts; what was not answered is then found not to answer. */
  readonly signal?: AbortSignal;
  /** Source of time. Default: the system's. */
  readonly clock?: Clock;
  /** As for a relay. */
  readonly fetchKafkaToken?: () => Promise<string>;
}

/**
 * Looks at the outbox file, Redis and Kafka as a relay with these options would find them, and
 * says what would break and how to mend it. Changes nothing: no file is made or migrated, no topic
 * created, no record written. Takes at most about 10 s (8,000 ms for Kafka, 3,000 ms for Redis, at
 * the same time), and blocks the event loop for some milliseconds while it looks into the file.
 * A service that is away is a finding, not an error.
 * @param options as for `createRelay`; a lease that is too short for a send is a finding here
 * @returns `ok` is false when a finding is a `warning` or an `error`
 * @throws CONFIG_INVALID with every fault at once
 */
export async function diagnose(
  options: RelayOptions,
  hooks: DiagnoseHooks = {},
): Promise<Diagnosis> {
  const { clock = systemClock, signal = null } = hooks;
  const { db, redis, createTopics, migrate, ...config } = resolveConfig(options, {
    ...hooks,
    rules: rulesOfDoctor,
  });
  const { brokers, clientId, security, leaseMs, sendTimeoutMs, recordBytesMax } = config;
  const kafka = { brokers, clientId, security, deadlineMs: limits.doctorKafkaMs, clock, signal };
  return examine({
    inspectFile: () => inspectOutboxFile(db),
    inspectRedis:
      redis === null
        ? null
        : () => askRedis({ url: redis, deadlineMs: limits.doctorRedisMs, clock, signal }),
    inspectKafka: (topics) => inspectKafka({ ...kafka, topics }),
    timing: { leaseMs, sendTimeoutMs },
    migrate,
    createTopics,
    recordBytesMax,
  });
}

/** A client's message may quote the URL that it was given. */
async function askRedis(question: Parameters<typeof inspectRedis>[0]) {
  const answer = await inspectRedis(question);
  return answer.reachable ? answer : { ...answer, message: maskSecrets(answer.message) };
}

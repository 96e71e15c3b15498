/**
 * Every option of a relay: one schema, from which the checks, the environment variables, the
 * flags and docs/configuration.md are made.
 */
import { z } from 'zod';
import { limits } from '../core/limits.ts';
import { deadLetterGroup } from './dead-letter.ts';
import { deliveryOption, headersOption, sourceOption } from './delivery.ts';
import { day, facts, milliseconds } from './facts.ts';
import { kafkaGroup } from './kafka.ts';
import { retryShape } from './retry.ts';
import { boundsGroup, governorGroup } from './space.ts';

/** kafkajs splits at ":", so an IPv6 address would be taken apart. */
function brokerProblem(broker: string): string | null {
  if (/^\[|:.*:/.test(broker)) return 'must be host:port; an IPv6 address needs a host name';
  const port = /^[^\s:,/@]+:(\d{1,5})$/.exec(broker)?.[1];
  if (port === undefined) return 'must be host:port';
  return Number(port) >= 1 && Number(port) <= 65_535 ? null : 'must have a port from 1 to 65535';
}

const broker = z.string().superRefine((text, context) => {
  const message = brokerProblem(text);
  if (message !== null) context.addIssue({ code: 'custom', message });
});

const topicCreation = z.union(
  [
    z.enum(['broker', 'never']),
    z.strictObject({
      partitions: z.int().min(1).max(100_000),
      replicationFactor: z.int().min(1).max(1_000),
    }),
  ],
  { error: 'must be "broker", "never" or {"partitions": N, "replicationFactor": N}' },
);

export const optionsSchema = z.strictObject({
  db: z
    .string()
    .min(1)
    .meta(
      facts({
        description: 'The outbox: a SQLite file on a local disk.',
        fallback: 'none, must be given',
        flag: 'db',
        value: 'FILE',
      }),
    ),
  brokers: z
    .array(broker)
    .min(1)
    .max(100)
    .meta(
      facts({
        description:
          'Kafka’s bootstrap servers, `host:port`; in the environment and as a flag with commas.',
        fallback: 'none, must be given',
        flag: 'brokers',
        value: 'HOST:PORT[,…]',
      }),
    ),
  clientId: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta(
      facts({
        description: 'Kafka client id; parts of the relay add a suffix.',
        fallback: 'outbox-relay',
        flag: 'client-id',
        value: 'ID',
      }),
    ),
  redis: z
    .url({ protocol: /^rediss?$/, error: 'must be a redis:// or rediss:// URL' })
    .nullable()
    .optional()
    .meta(
      facts({
        description: 'Redis for the BullMQ jobs, `redis://` or `rediss://`.',
        fallback: 'none: the relay wakes itself with timers',
        flag: 'redis',
        value: 'URL',
        secret: 'url',
      }),
    ),
  redisPrefix: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta(
      facts({
        description: 'Prefix of all keys in Redis; braces keep them in one slot of a cluster.',
        fallback: '{outbox-relay}',
        note: 'No effect without `redis`.',
        flag: 'redis-prefix',
        value: 'TEXT',
      }),
    ),
  delivery: deliveryOption,
  retry: z.strictObject(retryShape).optional(),
  deadLetter: deadLetterGroup,
  bounds: boundsGroup,
  governor: governorGroup,
  kafka: kafkaGroup,
  createTopics: topicCreation.optional().meta(
    facts({
      description:
        'A missing topic: `broker` lets the broker create it if it is set to, ' +
        '`never` sets its events aside until it is there, ' +
        '`{"partitions": 6, "replicationFactor": 3}` creates it so.',
      fallback: 'broker',
      flag: 'create-topics',
      value: 'HOW',
    }),
  ),
  batchEvents: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .meta(
      facts({
        description: 'Events in one send, at most.',
        fallback: String(limits.batchEventsDefault),
        flag: 'batch-events',
        value: 'N',
      }),
    ),
  batchBytes: z
    .int()
    .min(1_024)
    .max(1_073_741_824)
    .optional()
    .meta(
      facts({
        description: 'Bytes of key, value and headers in one send, at most; one event always goes.',
        fallback: String(limits.batchBytesDefault),
        unit: 'bytes',
        flag: 'batch-bytes',
        value: 'BYTES',
      }),
    ),
  batchPartitionBytes: z
    .int()
    .min(1_024)
    .max(1_073_741_824)
    .optional()
    .meta(
      facts({
        description: 'The same for one partition; keep it below the topic’s max.message.bytes.',
        fallback: String(limits.batchPartitionBytesDefault),
        unit: 'bytes',
        flag: 'batch-partition-bytes',
        value: 'BYTES',
      }),
    ),
  recordBytesMax: z
    .int()
    .min(1)
    .max(limits.recordBytesMaxBound)
    .optional()
    .meta(
      facts({
        description: 'Largest event that is accepted: key, value, headers and what Kafka adds.',
        fallback: String(limits.recordBytesMaxDefault),
        unit: 'bytes',
        note: 'Checked when an event is written; `doctor` compares topics with it.',
        flag: 'record-bytes-max',
        value: 'BYTES',
      }),
    ),
  sendTimeoutMs: milliseconds(100, 600_000)
    .optional()
    .meta(
      facts({
        description: 'How long one send may take before its outcome is unknown.',
        fallback: String(limits.sendTimeoutMsDefault),
        unit: 'ms',
        flag: 'send-timeout',
        value: 'MS',
      }),
    ),
  leaseMs: milliseconds(500, 3_600_000)
    .optional()
    .meta(
      facts({
        description: 'A relay that stood still for this long loses its lanes to another one.',
        fallback: String(limits.leaseMsDefault),
        unit: 'ms',
        note: 'Must exceed `sendTimeoutMs` by a quarter. A relay that died loses them at once.',
        flag: 'lease',
        value: 'MS',
      }),
    ),
  pollMs: milliseconds(1, 60_000)
    .optional()
    .meta(
      facts({
        description: 'How often the file is looked at for commits.',
        fallback: String(limits.pollMsDefault),
        unit: 'ms',
        flag: 'poll',
        value: 'MS',
      }),
    ),
  drainSliceMs: milliseconds(10, 600_000)
    .optional()
    .meta(
      facts({
        description: 'How long one job drains its lane before it queues itself again.',
        fallback: String(limits.drainSliceMsDefault),
        unit: 'ms',
        flag: 'drain-slice',
        value: 'MS',
      }),
    ),
  retentionMs: milliseconds(0, 366 * day)
    .optional()
    .meta(
      facts({
        description: 'How long delivered events stay in the file.',
        fallback: String(limits.retentionMsDefault),
        unit: 'ms',
        flag: 'retention',
        value: 'MS',
      }),
    ),
  stopDeadlineMs: milliseconds(0, 3_600_000)
    .optional()
    .meta(
      facts({
        description: 'How long a stop waits for running drains.',
        fallback: String(limits.stopDeadlineMsDefault),
        unit: 'ms',
        flag: 'stop-deadline',
        value: 'MS',
      }),
    ),
  headers: headersOption,
  source: sourceOption,
  lanes: z
    .int()
    .min(1)
    .max(limits.lanesMax)
    .optional()
    .meta(
      facts({
        description: 'Lanes of a new file. `migrate` gives them to a drained one as well.',
        fallback: `${limits.lanesDefault}, or the file’s`,
        flag: 'lanes',
        value: 'N',
      }),
    ),
  migrate: z
    .enum(['auto', 'check'])
    .optional()
    .meta(
      facts({
        description: '`auto` makes and updates the tables, `check` refuses a file without them.',
        fallback: 'auto',
        flag: 'migrate',
        value: 'HOW',
      }),
    ),
  logLevel: z
    .enum(['silent', 'error', 'warn', 'info', 'debug'])
    .optional()
    .meta(
      facts({
        description: 'What `run` logs.',
        fallback: 'info',
        note: 'No effect on the library, which logs to the `logger` it is given.',
        flag: 'log-level',
        value: 'LEVEL',
      }),
    ),
});

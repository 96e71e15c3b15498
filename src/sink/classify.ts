/**
 * What a thrown value means, by Kafka's numeric error code first, then the client's error class,
 * then the system's error name. Total: anything unknown is a `bug`, which waits like an outage and
 * is never taken for a refusal.
 *
 * Codes are from Kafka's protocol guide (org.apache.kafka.common.protocol.Errors). Clients'
 * `retriable` flags are not used: kafkajs marks BROKER_NOT_AVAILABLE as final.
 */
import type { SendFailure, SendFailureKind } from './driver.ts';

type Meaning = readonly [name: string, kind: SendFailureKind];

const byCode: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [2, ['CORRUPT_MESSAGE', 'refused-record']],
  [3, ['UNKNOWN_TOPIC_OR_PARTITION', 'partition-away']],
  [5, ['LEADER_NOT_AVAILABLE', 'partition-away']],
  [6, ['NOT_LEADER_OR_FOLLOWER', 'partition-away']],
  [7, ['REQUEST_TIMED_OUT', 'unknown']],
  [8, ['BROKER_NOT_AVAILABLE', 'outage']],
  [9, ['REPLICA_NOT_AVAILABLE', 'outage']],
  [10, ['MESSAGE_TOO_LARGE', 'refused-record']],
  [13, ['NETWORK_EXCEPTION', 'outage']],
  [14, ['COORDINATOR_LOAD_IN_PROGRESS', 'outage']],
  [15, ['COORDINATOR_NOT_AVAILABLE', 'outage']],
  [16, ['NOT_COORDINATOR', 'outage']],
  [17, ['INVALID_TOPIC_EXCEPTION', 'refused-topic']],
  [18, ['RECORD_LIST_TOO_LARGE', 'refused-record']],
  [19, ['NOT_ENOUGH_REPLICAS', 'partition-away']],
  // Written on the leader, and not known to be on enough replicas.
  [20, ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'partition-away']],
  [29, ['TOPIC_AUTHORIZATION_FAILED', 'refused-topic']],
  [31, ['CLUSTER_AUTHORIZATION_FAILED', 'outage']],
  [32, ['INVALID_TIMESTAMP', 'refused-record']],
  [33, ['UNSUPPORTED_SASL_MECHANISM', 'outage']],
  [34, ['ILLEGAL_SASL_STATE', 'outage']],
  [37, ['INVALID_PARTITIONS', 'refused-topic']],
  [38, ['INVALID_REPLICATION_FACTOR', 'refused-topic']],
  [39, ['INVALID_REPLICA_ASSIGNMENT', 'refused-topic']],
  [40, ['INVALID_CONFIG', 'refused-topic']],
  [41, ['NOT_CONTROLLER', 'outage']],
  [42, ['INVALID_REQUEST', 'refused-record']],
  [43, ['UNSUPPORTED_FOR_MESSAGE_FORMAT', 'refused-record']],
  [44, ['POLICY_VIOLATION', 'refused-record']],
  [45, ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'unknown']],
  [46, ['DUPLICATE_SEQUENCE_NUMBER', 'unknown']],
  [47, ['INVALID_PRODUCER_EPOCH', 'fenced']],
  [48, ['INVALID_TXN_STATE', 'unknown']],
  [49, ['INVALID_PRODUCER_ID_MAPPING', 'unknown']],
  [51, ['CONCURRENT_TRANSACTIONS', 'outage']],
  [52, ['TRANSACTION_COORDINATOR_FENCED', 'outage']],
  [53, ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'outage']],
  // Another partition of the same call is at fault: halving the batch finds it.
  [55, ['OPERATION_NOT_ATTEMPTED', 'refused-record']],
  [56, ['KAFKA_STORAGE_ERROR', 'outage']],
  [58, ['SASL_AUTHENTICATION_FAILED', 'outage']],
  [59, ['UNKNOWN_PRODUCER_ID', 'unknown']],
  [74, ['FENCED_LEADER_EPOCH', 'partition-away']],
  [75, ['UNKNOWN_LEADER_EPOCH', 'partition-away']],
  [76, ['UNSUPPORTED_COMPRESSION_TYPE', 'refused-topic']],
  [80, ['PREFERRED_LEADER_NOT_AVAILABLE', 'partition-away']],
  [83, ['ELIGIBLE_LEADERS_NOT_AVAILABLE', 'partition-away']],
  [87, ['INVALID_RECORD', 'refused-record']],
  [88, ['UNSTABLE_OFFSET_COMMIT', 'outage']],
  [89, ['THROTTLING_QUOTA_EXCEEDED', 'outage']],
  [90, ['PRODUCER_FENCED', 'fenced']],
  [120, ['TRANSACTION_ABORTABLE', 'unknown']],
]);

const byName: ReadonlyMap<string, SendFailureKind> = new Map<string, SendFailureKind>([
  ['KafkaJSConnectionError', 'outage'],
  ['KafkaJSConnectionClosedError', 'outage'],
  ['KafkaJSRequestTimeoutError', 'unknown'],
  ['KafkaJSMetadataNotLoaded', 'outage'],
  ['KafkaJSTopicMetadataNotLoaded', 'outage'],
  ['KafkaJSStaleTopicMetadataAssignment', 'outage'],
  ['KafkaJSBrokerNotFound', 'outage'],
  ['KafkaJSSASLAuthenticationError', 'outage'],
  ['KafkaJSGroupCoordinatorNotFound', 'outage'],
  ['KafkaJSTimeout', 'outage'],
  ['KafkaJSLockTimeout', 'outage'],
  ['KafkaJSNoBrokerAvailableError', 'outage'],
]);

/** node's and libuv's names for a peer that is not there; anything with these is no bug of ours. */
const systemNames = /^E(CONN|HOST|NET|ADDR|PIPE|TIMEDOUT|NOTFOUND|AI_|RR_(SOCKET|TLS|SSL))/;
/** OpenSSL's for a certificate that is not trusted. */
const certificateNames = /^(CERT_|DEPTH_|UNABLE_TO|SELF_SIGNED)/;

interface Thrown {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly type?: unknown;
  readonly topic?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

const causesMax = 10;

/** The thrown value and its causes, outermost first. */
function chainOf(thrown: unknown): Thrown[] {
  const chain: Thrown[] = [];
  let link: unknown = thrown;
  while (typeof link === 'object' && link !== null && chain.length < causesMax) {
    if (chain.includes(link as Thrown)) break;
    chain.push(link as Thrown);
    const { cause, errors } = link as Thrown;
    link = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return chain;
}

/** Total: never throws, always answers. */
export function classify(thrown: unknown): SendFailure {
  const chain = chainOf(thrown);
  const topic = chain.map((link) => link.topic).find((name) => typeof name === 'string') ?? null;
  const [code, kind] = meaningOf(chain);
  const root = chain.at(-1);
  const text = typeof root?.message === 'string' ? root.message : String(thrown);
  return { kind, code, message: text, topic: topic as string | null, cause: thrown };
}

function meaningOf(chain: readonly Thrown[]): Meaning {
  const innermostFirst = chain.toReversed();
  for (const { code, type } of innermostFirst) {
    if (typeof code !== 'number') continue;
    const known = byCode.get(code);
    if (known !== undefined) return known;
    return [typeof type === 'string' ? type : `KAFKA_${code}`, 'bug'];
  }
  for (const { code } of innermostFirst) {
    if (typeof code !== 'string') continue;
    if (systemNames.test(code) || certificateNames.test(code)) return [code, 'outage'];
  }
  for (const { name } of innermostFirst) {
    if (typeof name !== 'string') continue;
    const kind = byName.get(name);
    if (kind !== undefined) return [name, kind];
  }
  const { name } = innermostFirst[0] ?? {};
  return [typeof name === 'string' ? name : 'UNKNOWN', 'bug'];
}

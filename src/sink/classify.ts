/**
 * What a thrown value means, by Kafka's numeric error code first, then the system's error name or
 * a code of ours, then the client's error class. Total: anything unknown is a `bug`, which waits
 * like an outage and is never taken for a refusal.
 *
 * Codes are from Kafka's protocol guide (org.apache.kafka.common.protocol.Errors). Clients'
 * `retriable` flags are not used: kafkajs marks BROKER_NOT_AVAILABLE as final.
 */
import { type LoginTrouble, loginHint } from '../core/login-trouble.ts';
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
  // UNSUPPORTED_SASL_MECHANISM in Kafka; ours is the name for every driver.
  [33, ['MECHANISM_NOT_OFFERED', 'outage']],
  // ILLEGAL_SASL_STATE, e.g. of a listener that asks for no login.
  [34, ['LOGIN_FAILED', 'outage']],
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
  // SASL_AUTHENTICATION_FAILED
  [58, ['LOGIN_FAILED', 'outage']],
  [59, ['UNKNOWN_PRODUCER_ID', 'unknown']],
  [72, ['LISTENER_NOT_FOUND', 'partition-away']],
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
  ['KafkaJSGroupCoordinatorNotFound', 'outage'],
  ['KafkaJSTimeout', 'outage'],
  ['KafkaJSLockTimeout', 'outage'],
  ['KafkaJSNoBrokerAvailableError', 'outage'],
]);

/** node's and libuv's names for a peer that is not there; anything with these is no bug of ours. */
const systemNames = /^E(CONN|HOST|NET|ADDR|PIPE|TIMEDOUT|NOTFOUND|AI_|RR_(SOCKET|TLS|SSL))/;
/** node's names of what is wrong with TLS, the first that fits. */
const tlsNames: readonly (readonly [RegExp, LoginTrouble])[] = [
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, 'TLS_EXPIRED'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'TLS_WRONG_HOST'],
  [/^(CERT_|DEPTH_|UNABLE_TO_|SELF_SIGNED_|INVALID_(CA|PURPOSE)$)/, 'TLS_UNTRUSTED'],
  // What the other side says of our certificate, or of there being none.
  [/^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/, 'TLS_CLIENT_REFUSED'],
];

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
  // OpenSSL ends its own with a line end.
  const text = (typeof root?.message === 'string' ? root.message : String(thrown)).trim();
  return {
    kind,
    code,
    message: named(root, code, text),
    topic: topic as string | null,
    cause: thrown,
  };
}

/** Whether a broker has said so, in an answer; anything else is about the way to it. */
export function isBrokersWord(thrown: unknown): boolean {
  return chainOf(thrown).some(({ code }) => typeof code === 'number');
}

/** Ours is one name for several: the client's own is kept in front of its text. */
function named(root: Thrown | undefined, code: string, text: string): string {
  if (root === undefined || loginHint(code) === null) return text;
  const original = typeof root.type === 'string' ? root.type : root.code;
  return typeof original === 'string' && original !== code ? `${original}: ${text}` : text;
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
    const tls = tlsNames.find(([pattern]) => pattern.test(code));
    if (tls !== undefined) return [tls[1], 'outage'];
    if (systemNames.test(code) || loginHint(code) !== null) return [code, 'outage'];
  }
  for (const { name } of innermostFirst) {
    if (typeof name !== 'string') continue;
    // The client's own reason, e.g. a broker that cannot prove that it knows the password.
    if (name === 'KafkaJSSASLAuthenticationError') return ['LOGIN_FAILED', 'outage'];
    const kind = byName.get(name);
    if (kind !== undefined) return [name, kind];
  }
  const { name } = innermostFirst[0] ?? {};
  return [typeof name === 'string' ? name : 'UNKNOWN', 'bug'];
}

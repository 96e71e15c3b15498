/** Every error code of Kafka and every error class of kafkajs: what they are taken for. */
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { type LoginTrouble, loginTroubles } from '../../../src/core/login-trouble.ts';
import { classify, isBrokersWord } from '../../../src/sink/classify.ts';
import { LoginFault } from '../../../src/sink/login-fault.ts';

const load = createRequire(import.meta.url);
const { errorCodes, createErrorFromCode } = load('kafkajs/src/protocol/error.js') as {
  errorCodes: readonly { code: number; type: string }[];
  /** What the client throws about a code in an answer. */
  createErrorFromCode: (code: number) => Error;
};
const classes = load('kafkajs/src/errors.js') as Record<string, new (...args: never[]) => Error>;

/** Code, kind and name, of org.apache.kafka.common.protocol.Errors. */
const codesOfKafka = [
  [-1, 'bug', 'UNKNOWN_SERVER_ERROR'],
  [1, 'bug', 'OFFSET_OUT_OF_RANGE'],
  [2, 'refused-record', 'CORRUPT_MESSAGE'],
  [3, 'partition-away', 'UNKNOWN_TOPIC_OR_PARTITION'],
  [4, 'bug', 'INVALID_FETCH_SIZE'],
  [5, 'partition-away', 'LEADER_NOT_AVAILABLE'],
  [6, 'partition-away', 'NOT_LEADER_OR_FOLLOWER'],
  [7, 'unknown', 'REQUEST_TIMED_OUT'],
  [8, 'outage', 'BROKER_NOT_AVAILABLE'],
  [9, 'outage', 'REPLICA_NOT_AVAILABLE'],
  [10, 'refused-record', 'MESSAGE_TOO_LARGE'],
  [11, 'bug', 'STALE_CONTROLLER_EPOCH'],
  [12, 'bug', 'OFFSET_METADATA_TOO_LARGE'],
  [13, 'outage', 'NETWORK_EXCEPTION'],
  [14, 'outage', 'COORDINATOR_LOAD_IN_PROGRESS'],
  [15, 'outage', 'COORDINATOR_NOT_AVAILABLE'],
  [16, 'outage', 'NOT_COORDINATOR'],
  [17, 'refused-topic', 'INVALID_TOPIC_EXCEPTION'],
  [18, 'refused-record', 'RECORD_LIST_TOO_LARGE'],
  [19, 'partition-away', 'NOT_ENOUGH_REPLICAS'],
  [20, 'partition-away', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'],
  [21, 'bug', 'INVALID_REQUIRED_ACKS'],
  [22, 'bug', 'ILLEGAL_GENERATION'],
  [23, 'bug', 'INCONSISTENT_GROUP_PROTOCOL'],
  [24, 'bug', 'INVALID_GROUP_ID'],
  [25, 'bug', 'UNKNOWN_MEMBER_ID'],
  [26, 'bug', 'INVALID_SESSION_TIMEOUT'],
  [27, 'bug', 'REBALANCE_IN_PROGRESS'],
  [28, 'bug', 'INVALID_COMMIT_OFFSET_SIZE'],
  [29, 'refused-topic', 'TOPIC_AUTHORIZATION_FAILED'],
  [30, 'outage', 'GROUP_AUTHORIZATION_FAILED'],
  [31, 'outage', 'CLUSTER_AUTHORIZATION_FAILED'],
  [32, 'refused-record', 'INVALID_TIMESTAMP'],
  [33, 'outage', 'MECHANISM_NOT_OFFERED'],
  [34, 'outage', 'LOGIN_FAILED'],
  [35, 'bug', 'UNSUPPORTED_VERSION'],
  [36, 'bug', 'TOPIC_ALREADY_EXISTS'],
  [37, 'refused-topic', 'INVALID_PARTITIONS'],
  [38, 'refused-topic', 'INVALID_REPLICATION_FACTOR'],
  [39, 'refused-topic', 'INVALID_REPLICA_ASSIGNMENT'],
  [40, 'refused-topic', 'INVALID_CONFIG'],
  [41, 'outage', 'NOT_CONTROLLER'],
  [42, 'refused-record', 'INVALID_REQUEST'],
  [43, 'refused-record', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
  [44, 'refused-record', 'POLICY_VIOLATION'],
  [45, 'unknown', 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
  [46, 'unknown', 'DUPLICATE_SEQUENCE_NUMBER'],
  [47, 'fenced', 'INVALID_PRODUCER_EPOCH'],
  [48, 'unknown', 'INVALID_TXN_STATE'],
  [49, 'unknown', 'INVALID_PRODUCER_ID_MAPPING'],
  [50, 'bug', 'INVALID_TRANSACTION_TIMEOUT'],
  [51, 'outage', 'CONCURRENT_TRANSACTIONS'],
  [52, 'outage', 'TRANSACTION_COORDINATOR_FENCED'],
  [53, 'outage', 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'],
  [54, 'bug', 'SECURITY_DISABLED'],
  [55, 'refused-record', 'OPERATION_NOT_ATTEMPTED'],
  [56, 'outage', 'KAFKA_STORAGE_ERROR'],
  [57, 'bug', 'LOG_DIR_NOT_FOUND'],
  [58, 'outage', 'LOGIN_FAILED'],
  [59, 'unknown', 'UNKNOWN_PRODUCER_ID'],
  [60, 'bug', 'REASSIGNMENT_IN_PROGRESS'],
  [61, 'bug', 'DELEGATION_TOKEN_AUTH_DISABLED'],
  [62, 'bug', 'DELEGATION_TOKEN_NOT_FOUND'],
  [63, 'bug', 'DELEGATION_TOKEN_OWNER_MISMATCH'],
  [64, 'bug', 'DELEGATION_TOKEN_REQUEST_NOT_ALLOWED'],
  [65, 'bug', 'DELEGATION_TOKEN_AUTHORIZATION_FAILED'],
  [66, 'bug', 'DELEGATION_TOKEN_EXPIRED'],
  [67, 'bug', 'INVALID_PRINCIPAL_TYPE'],
  [68, 'bug', 'NON_EMPTY_GROUP'],
  [69, 'bug', 'GROUP_ID_NOT_FOUND'],
  [70, 'bug', 'FETCH_SESSION_ID_NOT_FOUND'],
  [71, 'bug', 'INVALID_FETCH_SESSION_EPOCH'],
  [72, 'partition-away', 'LISTENER_NOT_FOUND'],
  [73, 'bug', 'TOPIC_DELETION_DISABLED'],
  [74, 'partition-away', 'FENCED_LEADER_EPOCH'],
  [75, 'partition-away', 'UNKNOWN_LEADER_EPOCH'],
  [76, 'refused-topic', 'UNSUPPORTED_COMPRESSION_TYPE'],
  [77, 'bug', 'STALE_BROKER_EPOCH'],
  [78, 'bug', 'OFFSET_NOT_AVAILABLE'],
  [79, 'bug', 'MEMBER_ID_REQUIRED'],
  [80, 'partition-away', 'PREFERRED_LEADER_NOT_AVAILABLE'],
  [81, 'bug', 'GROUP_MAX_SIZE_REACHED'],
  [82, 'bug', 'FENCED_INSTANCE_ID'],
  [83, 'partition-away', 'ELIGIBLE_LEADERS_NOT_AVAILABLE'],
  [84, 'bug', 'ELECTION_NOT_NEEDED'],
  [85, 'bug', 'NO_REASSIGNMENT_IN_PROGRESS'],
  [86, 'bug', 'GROUP_SUBSCRIBED_TO_TOPIC'],
  [87, 'refused-record', 'INVALID_RECORD'],
  [88, 'outage', 'UNSTABLE_OFFSET_COMMIT'],
  [89, 'outage', 'THROTTLING_QUOTA_EXCEEDED'],
  [90, 'fenced', 'PRODUCER_FENCED'],
  [91, 'bug', 'RESOURCE_NOT_FOUND'],
  [92, 'bug', 'DUPLICATE_RESOURCE'],
  [93, 'bug', 'UNACCEPTABLE_CREDENTIAL'],
  [94, 'bug', 'INCONSISTENT_VOTER_SET'],
  [95, 'bug', 'INVALID_UPDATE_VERSION'],
  [96, 'bug', 'FEATURE_UPDATE_FAILED'],
  [97, 'bug', 'PRINCIPAL_DESERIALIZATION_FAILURE'],
  [98, 'bug', 'SNAPSHOT_NOT_FOUND'],
  [99, 'bug', 'POSITION_OUT_OF_RANGE'],
  [100, 'partition-away', 'UNKNOWN_TOPIC_ID'],
  [101, 'bug', 'DUPLICATE_BROKER_REGISTRATION'],
  [102, 'bug', 'BROKER_ID_NOT_REGISTERED'],
  [103, 'bug', 'INCONSISTENT_TOPIC_ID'],
  [104, 'bug', 'INCONSISTENT_CLUSTER_ID'],
  [105, 'bug', 'TRANSACTIONAL_ID_NOT_FOUND'],
  [106, 'bug', 'FETCH_SESSION_TOPIC_ID_ERROR'],
  [107, 'bug', 'INELIGIBLE_REPLICA'],
  [108, 'bug', 'NEW_LEADER_ELECTED'],
  [109, 'bug', 'OFFSET_MOVED_TO_TIERED_STORAGE'],
  [110, 'bug', 'FENCED_MEMBER_EPOCH'],
  [111, 'bug', 'UNRELEASED_INSTANCE_ID'],
  [112, 'bug', 'UNSUPPORTED_ASSIGNOR'],
  [113, 'bug', 'STALE_MEMBER_EPOCH'],
  [114, 'bug', 'MISMATCHED_ENDPOINT_TYPE'],
  [115, 'bug', 'UNSUPPORTED_ENDPOINT_TYPE'],
  [116, 'bug', 'UNKNOWN_CONTROLLER_ID'],
  [117, 'bug', 'UNKNOWN_SUBSCRIPTION_ID'],
  [118, 'bug', 'TELEMETRY_TOO_LARGE'],
  [119, 'bug', 'INVALID_REGISTRATION'],
  [120, 'unknown', 'TRANSACTION_ABORTABLE'],
  [121, 'bug', 'INVALID_RECORD_STATE'],
  [122, 'bug', 'SHARE_SESSION_NOT_FOUND'],
  [123, 'bug', 'INVALID_SHARE_SESSION_EPOCH'],
  [124, 'bug', 'FENCED_STATE_EPOCH'],
  [125, 'bug', 'INVALID_VOTER_KEY'],
  [126, 'bug', 'DUPLICATE_VOTER'],
  [127, 'bug', 'VOTER_NOT_FOUND'],
  [128, 'bug', 'INVALID_REGULAR_EXPRESSION'],
  [129, 'outage', 'REBOOTSTRAP_REQUIRED'],
  [130, 'bug', 'STREAMS_INVALID_TOPOLOGY'],
  [131, 'bug', 'STREAMS_INVALID_TOPOLOGY_EPOCH'],
  [132, 'bug', 'STREAMS_TOPOLOGY_FENCED'],
  [133, 'bug', 'SHARE_SESSION_LIMIT_REACHED'],
] as const;
const waiting = ['outage', 'unknown', 'bug'];

describe('a code of Kafka', () => {
  it.each(codesOfKafka)('%i is %s, named %s', (code, kind, name) => {
    expect(classify({ code, message: 'm' })).toMatchObject({ kind, code: name });
    const thrown = createErrorFromCode(code);
    expect(classify(thrown)).toMatchObject({ kind, code: name });
  });

  it('is known up to the last one of Kafka 4.3, with none left out', () => {
    const known = codesOfKafka.map(([code]) => code);
    const all = Array.from({ length: 135 }, (_, index) => index - 1);
    expect(known).toEqual(all.filter((code) => code !== 0));
  });

  it('is named as kafkajs names it, but for names that Kafka has given up, and logins', () => {
    const names = new Map<number, string>(codesOfKafka.map(([code, , name]) => [code, name]));
    const differ = errorCodes.filter(({ code, type }) => names.get(code) !== type);
    expect(differ.map(({ code }) => code)).toEqual([-1, 6, 14, 15, 16, 33, 34, 58]);
  });

  it.each([0, 134, 12_345, -2])('that nobody knows, %i, is no refusal', (code) => {
    expect(classify({ code, message: 'm' })).toMatchObject({ kind: 'bug', code: `KAFKA_${code}` });
    expect(classify(createErrorFromCode(code)).kind).toBe('bug');
  });

  it('is told from what else may have gone wrong', () => {
    const wrapped = Object.assign(new Error('gave up'), { cause: createErrorFromCode(72) });
    expect(isBrokersWord(wrapped)).toBe(true);
    expect(isBrokersWord(createErrorFromCode(999))).toBe(true);
    expect(isBrokersWord(new TypeError('a defect'))).toBe(false);
    expect(isBrokersWord(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))).toBe(false);
    expect(isBrokersWord(undefined)).toBe(false);
  });
});

describe('an error of kafkajs', () => {
  const names = Object.keys(classes).filter((name) => name.startsWith('KafkaJS'));

  it.each(names)('%s is never a refusal by its class alone', (name) => {
    const error = Object.assign(Object.create((classes[name] as { prototype: object }).prototype), {
      name,
      message: 'thrown',
    });
    expect(waiting).toContain(classify(error).kind);
  });

  it.each([
    ['KafkaJSConnectionError', 'outage'],
    ['KafkaJSConnectionClosedError', 'outage'],
    ['KafkaJSRequestTimeoutError', 'unknown'],
    ['KafkaJSBrokerNotFound', 'outage'],
    ['KafkaJSNoBrokerAvailableError', 'outage'],
    ['KafkaJSNonRetriableError', 'bug'],
  ])('%s is %s', (name, kind) => {
    expect(classify({ name, message: 'thrown' })).toMatchObject({ kind, code: name });
  });

  it('about a login keeps the name that Kafka has for it', () => {
    const error = { name: 'KafkaJSProtocolError', code: 58, type: 'SASL_AUTHENTICATION_FAILED' };
    expect(classify({ ...error, message: 'Invalid username or password' })).toMatchObject({
      kind: 'outage',
      code: 'LOGIN_FAILED',
      message: 'SASL_AUTHENTICATION_FAILED: Invalid username or password',
    });
    const own = { name: 'KafkaJSSASLAuthenticationError', message: 'Invalid server signature' };
    expect(classify(own)).toMatchObject({ kind: 'outage', code: 'LOGIN_FAILED' });
  });

  it('is known by its innermost cause', () => {
    const inner = {
      name: 'KafkaJSProtocolError',
      code: 10,
      type: 'MESSAGE_TOO_LARGE',
      message: 'x',
    };
    const outer = { name: 'KafkaJSNumberOfRetriesExceeded', message: 'gave up', cause: inner };
    expect(classify(outer)).toMatchObject({
      kind: 'refused-record',
      code: 'MESSAGE_TOO_LARGE',
      cause: outer,
    });
    const many = { name: 'KafkaJSAggregateError', message: 'many', errors: [inner] };
    expect(classify(many).kind).toBe('refused-record');
  });

  it('tells the topic where the client does', () => {
    const error = { code: 29, message: 'm', topic: 'orders' };
    expect(classify(error)).toMatchObject({ kind: 'refused-topic', topic: 'orders' });
  });
});

describe('an error of the system', () => {
  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE'])(
    '%s is an outage',
    (code) => {
      const cause = Object.assign(new Error('connect'), { code });
      const wrapped = Object.assign(new Error('wrapped'), { cause });
      expect(classify(wrapped)).toMatchObject({ kind: 'outage', code });
    },
  );
});

/** As seen on a real broker, under the names of node and OpenSSL. */
describe('a failure of TLS', () => {
  it.each([
    ['CERT_HAS_EXPIRED', 'TLS_EXPIRED'],
    ['CERT_NOT_YET_VALID', 'TLS_EXPIRED'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS_WRONG_HOST'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'TLS_UNTRUSTED'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TLS_UNTRUSTED'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'TLS_UNTRUSTED'],
    ['CERT_REVOKED', 'TLS_UNTRUSTED'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'TLS_CLIENT_REFUSED'],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN', 'TLS_CLIENT_REFUSED'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'TLS_CLIENT_REFUSED'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
  ])('%s is an outage, named %s', (code, name) => {
    const cause = {
      name: 'KafkaJSConnectionError',
      message: 'Connection error: said node\n',
      code,
    };
    const outer = { name: 'KafkaJSNumberOfRetriesExceeded', message: 'gave up', cause };
    const own = name === code ? '' : `${code}: `;
    expect(classify(outer)).toMatchObject({
      kind: 'outage',
      code: name,
      message: `${own}Connection error: said node`,
    });
  });
});

describe('a fault of ours in a login', () => {
  it.each(Object.keys(loginTroubles))('%s is an outage', (code) => {
    const fault = new LoginFault(code as LoginTrouble, 'what is wrong');
    // As kafkajs wraps what a login throws into a send.
    const outer = { name: 'KafkaJSNonRetriableError', message: 'what is wrong', cause: fault };
    for (const thrown of [fault, outer]) {
      expect(classify(thrown)).toMatchObject({ kind: 'outage', code, message: 'what is wrong' });
    }
  });
});

describe('anything at all', () => {
  it.each([undefined, null, 'text', 42, {}, [], new TypeError('bug'), () => {}])(
    'even %o gets an answer',
    (thrown) => {
      expect(classify(thrown).kind).toBe('bug');
    },
  );

  it('does not loop over causes in a circle', () => {
    const error: { cause?: unknown; message: string } = { message: 'round' };
    error.cause = { message: 'and', cause: error };
    expect(classify(error).kind).toBe('bug');
  });
});

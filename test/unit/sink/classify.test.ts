/** Every error code of Kafka and every error class of kafkajs: what they are taken for. */
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { type LoginTrouble, loginTroubles } from '../../../src/core/login-trouble.ts';
import { classify } from '../../../src/sink/classify.ts';
import { LoginFault } from '../../../src/sink/login-fault.ts';

const load = createRequire(import.meta.url);
const { errorCodes } = load('kafkajs/src/protocol/error.js') as {
  errorCodes: readonly { code: number; type: string }[];
};
const classes = load('kafkajs/src/errors.js') as Record<string, new (...args: never[]) => Error>;

/** The codes that are more than "wait": all others are an outage, unknown or a bug. */
const final: Readonly<Record<number, string>> = {
  2: 'refused-record',
  3: 'partition-away',
  5: 'partition-away',
  6: 'partition-away',
  10: 'refused-record',
  17: 'refused-topic',
  18: 'refused-record',
  19: 'partition-away',
  20: 'partition-away',
  29: 'refused-topic',
  32: 'refused-record',
  37: 'refused-topic',
  38: 'refused-topic',
  39: 'refused-topic',
  40: 'refused-topic',
  42: 'refused-record',
  43: 'refused-record',
  44: 'refused-record',
  47: 'fenced',
  55: 'refused-record',
  72: 'partition-away',
  74: 'partition-away',
  75: 'partition-away',
  76: 'refused-topic',
  80: 'partition-away',
  83: 'partition-away',
  87: 'refused-record',
  90: 'fenced',
};
const waiting = ['outage', 'unknown', 'bug'];

describe('a code of Kafka', () => {
  const kindOf = (code: number) => {
    const type = errorCodes.find((known) => known.code === code)?.type;
    return classify({ name: 'KafkaJSProtocolError', code, type, message: 'said Kafka' }).kind;
  };

  it.each(errorCodes)('$code ($type) is a refusal only by name', ({ code }) => {
    const wanted = final[code];
    if (wanted === undefined) expect(waiting).toContain(kindOf(code));
    else expect(kindOf(code)).toBe(wanted);
  });

  it('that kafkajs does not know is no refusal either', () => {
    const codes = Array.from({ length: 400 }, (_, code) => code - 1);
    const refused = codes.filter((code) => !waiting.includes(kindOf(code)));
    expect(refused).toEqual(Object.keys(final).map(Number));
  });

  it.each([
    [7, 'unknown', 'REQUEST_TIMED_OUT'],
    [8, 'outage', 'BROKER_NOT_AVAILABLE'],
    [16, 'outage', 'NOT_COORDINATOR'],
    [31, 'outage', 'CLUSTER_AUTHORIZATION_FAILED'],
    [45, 'unknown', 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    [46, 'unknown', 'DUPLICATE_SEQUENCE_NUMBER'],
    [51, 'outage', 'CONCURRENT_TRANSACTIONS'],
    [33, 'outage', 'MECHANISM_NOT_OFFERED'],
    [34, 'outage', 'LOGIN_FAILED'],
    [58, 'outage', 'LOGIN_FAILED'],
    [72, 'partition-away', 'LISTENER_NOT_FOUND'],
    [-1, 'bug', 'UNKNOWN'],
    [12_345, 'bug', 'KAFKA_12345'],
  ])('%i is %s, named %s', (code, kind, name) => {
    const type = errorCodes.find((known) => known.code === code)?.type;
    expect(classify({ code, type, message: 'm' })).toMatchObject({ kind, code: name });
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

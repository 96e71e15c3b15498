/**
 * What a thrown value means, by Kafka's numeric error code first (kafka-codes.ts), then the
 * system's error name or a code of ours, then the client's error class. Total: anything unknown is
 * a `bug`, which waits like an outage and is never taken for a refusal.
 *
 * Clients' `retriable` flags are not used: kafkajs marks BROKER_NOT_AVAILABLE as final.
 */
import { type LoginTrouble, loginHint } from '../core/login-trouble.ts';
import type { SendFailure, SendFailureKind } from './driver.ts';
import { kafkaCodes, type Meaning } from './kafka-codes.ts';

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
  return chainOf(thrown).some((link) => brokersCode(link) !== null);
}

/** Ours is one name for several: the client's own is kept in front of its text. */
function named(root: Thrown | undefined, code: string, text: string): string {
  if (root === undefined || loginHint(code) === null) return text;
  const original = typeof root.type === 'string' ? root.type : root.code;
  return typeof original === 'string' && original !== code ? `${original}: ${text}` : text;
}

/** kafkajs knows codes up to 88; a later one is in the text of an error that has its own, -99. */
function brokersCode({ code, message }: Thrown): number | null {
  if (typeof code !== 'number') return null;
  const told = code === -99 ? /^Unknown error code (\d+)$/.exec(String(message))?.[1] : undefined;
  return told === undefined ? code : Number(told);
}

function meaningOf(chain: readonly Thrown[]): Meaning {
  const innermostFirst = chain.toReversed();
  for (const link of innermostFirst) {
    const code = brokersCode(link);
    if (code === null) continue;
    const { type } = link;
    const name = typeof type === 'string' && code === link.code ? type : `KAFKA_${code}`;
    return kafkaCodes.get(code) ?? [name, 'bug'];
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

/**
 * The listeners of the broker of security tests, as `KAFKA_*` variables and files. Kafka's own
 * names of them avoid `SSL` and `SASL_`: where these end a name, the official image asks for files
 * and variables of its own.
 */

import type { Listener } from '../kafka.ts';
import { freePort } from '../ports.ts';
import type { ServerKeystores } from './certificates.ts';
import { audience, issuer } from './token-server.ts';

/** What each is for, and Kafka's name and protocol of it. */
const table = {
  SSL: ['TLS', 'SSL'],
  /** Asks for a client certificate. */
  SSL_MUTUAL: ['MUTUAL', 'SSL'],
  SSL_EXPIRED: ['EXPIRED', 'SSL'],
  SSL_WRONG_HOST: ['ELSEWHERE', 'SSL'],
  SASL_PLAINTEXT: ['LOGIN', 'SASL_PLAINTEXT'],
  SASL_SSL: ['LOGINTLS', 'SASL_SSL'],
  SASL_SSL_EXPIRED: ['LOGINEXPIRED', 'SASL_SSL'],
  SASL_SSL_WRONG_HOST: ['LOGINELSEWHERE', 'SASL_SSL'],
  /** Offer one mechanism only. */
  ONLY_PLAIN: ['ONLYPLAIN', 'SASL_PLAINTEXT'],
  ONLY_SCRAM_SHA_512: ['ONLYSCRAM', 'SASL_PLAINTEXT'],
} as const;
export type ListenerName = keyof typeof table;

/**
 * How long an OAUTHBEARER login is good for (KIP-368). The broker refuses a second login within a
 * second of the first, so a client must not begin the next one too early either.
 */
export const sessionMs = 5_000;

const folder = '/etc/outbox-relay-test';
/** As the broker's container knows this machine. */
export const hostName = 'host.docker.internal';

export interface BrokerSecrets {
  readonly keystores: ServerKeystores;
  readonly caPem: string;
  readonly username: string;
  readonly password: string;
  /** Where the broker finds the keys of tokens. */
  readonly keysUrl: string;
  readonly principal: string;
  readonly keytab: Buffer;
  readonly kerberosConfig: Buffer;
}

export async function listenersOnFreePorts(): Promise<Record<ListenerName, Listener>> {
  const entries = Object.entries(table).map(async ([key, [name, protocol]]) => {
    return [key, { name, protocol, port: await freePort() }] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<ListenerName, Listener>;
}

export function filesOf(secrets: BrokerSecrets): Record<string, string | Buffer> {
  return {
    [`${folder}/good.pem`]: secrets.keystores.good,
    [`${folder}/expired.pem`]: secrets.keystores.expired,
    [`${folder}/wrong-host.pem`]: secrets.keystores.wrongHost,
    [`${folder}/ca.pem`]: secrets.caPem,
    [`${folder}/broker.keytab`]: secrets.keytab,
    [`${folder}/krb5.conf`]: secrets.kerberosConfig,
  };
}

export function environmentOf(secrets: BrokerSecrets): Record<string, string> {
  const properties: Record<string, string> = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': `${folder}/good.pem`,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': `${folder}/ca.pem`,
    'listener.name.mutual.ssl.client.auth': 'required',
    'listener.name.expired.ssl.keystore.location': `${folder}/expired.pem`,
    'listener.name.elsewhere.ssl.keystore.location': `${folder}/wrong-host.pem`,
    'listener.name.loginexpired.ssl.keystore.location': `${folder}/expired.pem`,
    'listener.name.loginelsewhere.ssl.keystore.location': `${folder}/wrong-host.pem`,
    'sasl.kerberos.service.name': 'kafka',
    'sasl.oauthbearer.jwks.endpoint.url': secrets.keysUrl,
    'sasl.oauthbearer.expected.audience': audience,
    'sasl.oauthbearer.expected.issuer': issuer,
    'sasl.oauthbearer.clock.skew.seconds': '0', // both clocks are this machine's
    ...login('login', secrets, Object.keys(modules)),
    ...login('logintls', secrets, Object.keys(modules)),
    ...login('loginexpired', secrets, ['PLAIN']),
    ...login('loginelsewhere', secrets, ['PLAIN']),
    ...login('onlyplain', secrets, ['PLAIN']),
    ...login('onlyscram', secrets, ['SCRAM-SHA-512']),
    'num.network.threads': '1', // each listener has its own
  };
  const entries = Object.entries(properties).map(([name, value]) => [variableOf(name), value]);
  const allowedUrls = `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${secrets.keysUrl}`;
  const kerberos = `-Djava.security.krb5.conf=${folder}/krb5.conf`;
  return { ...Object.fromEntries(entries), KAFKA_OPTS: `${allowedUrls} ${kerberos}` };
}

/** The image's rule: `.`, `_` and `-` become one, two and three underscores. */
function variableOf(property: string): string {
  const name = property.replaceAll('-', '___').replaceAll('.', '_');
  return `KAFKA_${name.toUpperCase()}`;
}

const oauth = 'org.apache.kafka.common.security.oauthbearer';
const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';

/** What a line of JAAS says to check a login with each mechanism. */
const modules: Readonly<Record<string, (secrets: BrokerSecrets) => string>> = {
  PLAIN: ({ username, password }) => `${plain} user_${username}="${password}";`,
  'SCRAM-SHA-256': () => scram,
  'SCRAM-SHA-512': () => scram,
  OAUTHBEARER: () => `${oauth}.OAuthBearerLoginModule required;`,
  GSSAPI: ({ principal }) =>
    'com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true ' +
    `isInitiator=false keyTab="${folder}/broker.keytab" principal="${principal}";`,
};

function login(
  listener: string,
  secrets: BrokerSecrets,
  mechanisms: readonly string[],
): Record<string, string> {
  const prefix = `listener.name.${listener}`;
  const lines = mechanisms.map((mechanism) => [
    `${prefix}.${mechanism.toLowerCase()}.sasl.jaas.config`,
    modules[mechanism]?.(secrets) ?? '',
  ]);
  const checker = `${oauth}.OAuthBearerValidatorCallbackHandler`;
  const bearer = {
    [`${prefix}.oauthbearer.sasl.server.callback.handler.class`]: checker,
    [`${prefix}.oauthbearer.connections.max.reauth.ms`]: String(sessionMs),
  };
  return {
    [`${prefix}.sasl.enabled.mechanisms`]: mechanisms.join(','),
    ...Object.fromEntries(lines),
    ...(mechanisms.includes('OAUTHBEARER') ? bearer : {}),
  };
}

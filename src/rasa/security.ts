/**
 * From the seed's `security_protocol`, `sasl_*` and `ssl_*` to the relay's `kafka` options. What
 * can never connect is refused here, when the broker is created; nothing is connected.
 */
import { X509Certificate } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { KafkaProducerInitializationError, SecurityProtocolError } from '../core/errors.ts';
import { mechanisms } from '../sink/security.ts';
import type { BrokerSettings } from './options.ts';

const securityProtocols = Object.freeze([
  'PLAINTEXT',
  'SSL',
  'SASL_PLAINTEXT',
  'SASL_SSL',
] as const);

type Group = Readonly<Record<string, unknown>>;

/** The relay's `kafka.ssl` and `kafka.sasl`. */
export interface KafkaSecurity {
  readonly ssl?: Group;
  readonly sasl?: Group;
}

/**
 * @param more the `kafka` of the broker's `relay` option: its `ssl` and `sasl` win, name by name
 * @throws SECURITY_PROTOCOL_INVALID, KAFKA_PRODUCER_INITIALIZATION
 */
export function securityOf(settings: BrokerSettings, more: Group = {}): KafkaSecurity {
  const { protocol } = settings;
  if (!securityProtocols.some((known) => known === protocol)) {
    const allowed = securityProtocols.join(', ');
    throw new SecurityProtocolError(
      `Invalid security_protocol (${JSON.stringify(protocol)}): must be one of ${allowed}`,
      { details: { allowed: securityProtocols } },
    );
  }
  const tls = protocol.endsWith('SSL');
  const login = protocol.startsWith('SASL');
  return {
    ...(tls ? { ssl: { ...sslOf(settings), ...group(more['ssl']) } } : {}),
    ...(login ? { sasl: saslOf(settings, group(more['sasl'])) } : {}),
  };
}

const group = (value: unknown): Group =>
  typeof value === 'object' && value !== null ? (value as Group) : {};

function sslOf({ caFile, certFile, keyFile, checkHostname }: BrokerSettings): Group {
  checkFile('ssl_cafile', caFile);
  checkFile('ssl_certfile', certFile);
  checkFile('ssl_keyfile', keyFile);
  if ((certFile === null) !== (keyFile === null)) {
    const missing = certFile === null ? 'ssl_certfile' : 'ssl_keyfile';
    throw new KafkaProducerInitializationError(
      `${missing}: must be given, as the other half of the client certificate is`,
    );
  }
  return {
    ...(caFile === null ? {} : { caFile }),
    ...(certFile === null ? {} : { certFile, keyFile }),
    checkHostname,
  };
}

/** What is in a file is read again for each connection; here it must be what it is said to be. */
function checkFile(name: string, file: string | null): void {
  if (file === null) return;
  try {
    accessSync(file, constants.R_OK);
    if (!statSync(file).isFile()) throw new Error(`${file} is not a file`);
    const text = readFileSync(file);
    if (!text.includes('-----BEGIN ')) throw new Error(`${file} is not PEM`);
    if (name !== 'ssl_keyfile') new X509Certificate(text);
  } catch (error) {
    const { message } = error as Error;
    throw new KafkaProducerInitializationError(`${name}: ${message}`, { cause: error });
  }
}

function saslOf({ mechanism, username, password }: BrokerSettings, more: Group): Group {
  if (!mechanisms.some((known) => known === mechanism)) {
    const allowed = mechanisms.join(', ');
    throw new KafkaProducerInitializationError(
      `sasl_mechanism: ${JSON.stringify(mechanism)} is none of ${allowed}`,
    );
  }
  // Tokens and tickets have no name and password; their settings come from `relay.kafka.sasl`.
  if (mechanism === 'OAUTHBEARER' || mechanism === 'GSSAPI') return { mechanism, ...more };
  if (username === null && more['username'] === undefined)
    throw missing('sasl_username', mechanism);
  const elsewhere = more['password'] !== undefined || more['passwordFile'] !== undefined;
  if (password === null && !elsewhere) throw missing('sasl_password', mechanism);
  const given = { ...(username === null ? {} : { username }) };
  return { mechanism, ...given, ...(elsewhere || password === null ? {} : { password }), ...more };
}

function missing(name: string, mechanism: string): Error {
  return new KafkaProducerInitializationError(`${name}: must be given for ${mechanism}`);
}

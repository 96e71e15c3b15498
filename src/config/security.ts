/** From the options of group `kafka` to how a broker is reached. */
import { invariant } from '../core/errors.ts';
import type { BrokerSecurity, Login, Secret, Tls, TokenSource } from '../sink/security.ts';
import type { KafkaOptions } from './kafka.ts';

export type FetchToken = () => Promise<string>;

/**
 * @param kafka checked
 * @param fetchToken the application's own, for OAUTHBEARER without endpoint and file
 */
export function securityOf(kafka: KafkaOptions, fetchToken: FetchToken | null): BrokerSecurity {
  const { ssl, sasl } = kafka;
  return Object.freeze({
    tls: ssl === undefined || ssl === false ? null : tlsOf(ssl === true ? {} : ssl),
    login: sasl === undefined ? null : loginOf(sasl, fetchToken),
  });
}

function tlsOf(ssl: Exclude<NonNullable<KafkaOptions['ssl']>, boolean>): Tls {
  return Object.freeze({
    caFile: ssl.caFile ?? null,
    certFile: ssl.certFile ?? null,
    keyFile: ssl.keyFile ?? null,
    keyPassword: secretOf(ssl.keyPassword, ssl.keyPasswordFile),
    checkHostname: ssl.checkHostname ?? true,
  });
}

type Sasl = NonNullable<KafkaOptions['sasl']>;

function loginOf(sasl: Sasl, fetchToken: FetchToken | null): Login {
  const { mechanism, username } = sasl;
  switch (mechanism) {
    case 'OAUTHBEARER':
      return Object.freeze({ mechanism, token: tokenOf(sasl, fetchToken) });
    case 'GSSAPI':
      return Object.freeze({
        mechanism,
        service: sasl.service ?? 'kafka',
        principal: sasl.principal ?? null,
        keytab: sasl.keytab ?? null,
        credentialCache: sasl.credentialCache ?? null,
      });
    default: {
      const password = secretOf(sasl.password, sasl.passwordFile);
      invariant(mechanism !== undefined && username !== undefined, 'checked by the rules');
      invariant(password !== null, 'checked by the rules');
      return Object.freeze({ mechanism, username, password });
    }
  }
}

function tokenOf(sasl: Sasl, fetchToken: FetchToken | null): TokenSource {
  const { tokenEndpoint: url, tokenFile: file, clientId } = sasl;
  if (file !== undefined) return Object.freeze({ kind: 'file', file });
  if (url === undefined) {
    invariant(fetchToken !== null, 'checked by the rules');
    return Object.freeze({ kind: 'callback', fetchToken });
  }
  const clientSecret = secretOf(sasl.clientSecret, sasl.clientSecretFile);
  invariant(clientId !== undefined && clientSecret !== null, 'checked by the rules');
  const { scope = null, tokenCaFile: caFile = null } = sasl;
  return Object.freeze({ kind: 'endpoint', url, clientId, clientSecret, scope, caFile });
}

function secretOf(value: string | undefined, file: string | undefined): Secret | null {
  if (value !== undefined) return Object.freeze({ value });
  return file === undefined ? null : Object.freeze({ file });
}

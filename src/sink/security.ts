/**
 * How to reach a broker that asks for TLS or a login.
 *
 * Files are named, not held: what is in them is read again for each new connection, so that a
 * certificate, password or token that is changed on disk heals a relay without a restart.
 */

/** A secret, or the file that holds it (UTF-8; one line end at its end is not part of it). */
export type Secret = { readonly value: string } | { readonly file: string };

/** TLS to the broker; the server is always verified. Files are PEM. */
export interface Tls {
  /** Certificates to trust instead of the system's. */
  readonly caFile: string | null;
  /** Client certificate, with any that lead to its authority: mutual TLS. With `keyFile` only. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** Of an encrypted `keyFile`. */
  readonly keyPassword: Secret | null;
  /** Whether the server's certificate must be for the host name that was connected to. */
  readonly checkHostname: boolean;
}

export const mechanisms = Object.freeze([
  'PLAIN',
  'SCRAM-SHA-256',
  'SCRAM-SHA-512',
  'OAUTHBEARER',
  'GSSAPI',
] as const);
export type Mechanism = (typeof mechanisms)[number];

/** Where an OAUTHBEARER token comes from; asked again for each login and re-authentication. */
export type TokenSource =
  /** OIDC client credentials: POST to the token endpoint. */
  | {
      readonly kind: 'endpoint';
      readonly url: string;
      readonly clientId: string;
      readonly clientSecret: Secret;
      readonly scope: string | null;
      /** Certificates to trust instead of the system's, PEM. */
      readonly caFile: string | null;
    }
  /** A token that something else keeps fresh. */
  | { readonly kind: 'file'; readonly file: string }
  /** The application's own, e.g. a signer for AWS MSK IAM. */
  | {
      readonly kind: 'callback';
      /** A fresh token. Rejects when there is none; that is an outage. */
      readonly fetchToken: () => Promise<string>;
    };

/** How the relay proves who it is. */
export type Login =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
      readonly username: string;
      readonly password: Secret;
    }
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: TokenSource }
  | {
      readonly mechanism: 'GSSAPI';
      /** First part of the broker's principal, `service/host@REALM`. */
      readonly service: string;
      /** Ours; `null`: the credential cache's own, or the keytab's first. */
      readonly principal: string | null;
      readonly keytab: string | null;
      readonly credentialCache: string | null;
    };

/** The four protocols: PLAINTEXT is neither, SSL and SASL_PLAINTEXT one, SASL_SSL both. */
export interface BrokerSecurity {
  readonly tls: Tls | null;
  readonly login: Login | null;
}

/** Neither TLS nor a login. */
export const plaintext: BrokerSecurity = Object.freeze({ tls: null, login: null });

export const compressions = Object.freeze(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const);
/** How record batches are compressed. */
export type Compression = (typeof compressions)[number];

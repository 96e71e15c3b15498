/** TLS sockets to a broker. The server is always verified, and its name too unless told not to. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { LoginFault } from './login-fault.ts';
import { readBytes, readSecret } from './secrets.ts';
import type { Tls } from './security.ts';

export interface TlsAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads the files once and connects with what was in them.
 * @throws SECRET_UNREADABLE, TLS_FILE_INVALID
 */
export function createTlsConnector(tls: Tls): (address: TlsAddress, then: () => void) => TLSSocket {
  const secureContext = createContext(tls);
  return ({ host, port }, then) => {
    const options: ConnectionOptions = { host, port, secureContext, rejectUnauthorized: true };
    // The name for the server to choose its certificate by; an address must not be one.
    if (isIP(host) === 0) options.servername = host;
    // The chain is still verified: this replaces the comparison of names alone.
    if (!tls.checkHostname) options.checkServerIdentity = () => undefined;
    return connect(options, then);
  };
}

function createContext({ caFile, certFile, keyFile, keyPassword }: Tls): SecureContext {
  const files = {
    ...(caFile !== null && { ca: readPem(caFile, 'kafka.ssl.caFile') }),
    ...(certFile !== null && { cert: readPem(certFile, 'kafka.ssl.certFile') }),
    ...(keyFile !== null && { key: readPem(keyFile, 'kafka.ssl.keyFile') }),
    ...(keyPassword !== null && {
      passphrase: readSecret(keyPassword, 'kafka.ssl.keyPasswordFile'),
    }),
  };
  try {
    // What is no certificate would be passed over, and then nobody be trusted.
    if (files.ca !== undefined) new X509Certificate(files.ca);
    return createSecureContext(files);
  } catch (error) {
    // OpenSSL's reason, e.g. "bad decrypt", "key values mismatch"; it quotes no content.
    const named = [caFile, certFile, keyFile].filter((file) => file !== null).join(', ');
    throw new LoginFault('TLS_FILE_INVALID', `${named}: ${(error as Error).message}`);
  }
}

/** OpenSSL takes a CA file without a certificate for an empty list, and then trusts nobody. */
function readPem(file: string, what: string): Buffer {
  const bytes = readBytes(file, what);
  if (bytes.includes('-----BEGIN ')) return bytes;
  throw new LoginFault('TLS_FILE_INVALID', `${what}: ${file} is not PEM`);
}

/**
 * How kafkajs logs in.
 *
 * kafkajs puts any failure of a login, a broker that goes away in the middle of it included, into
 * an error of its own that keeps nothing but the text. So its providers are listened to, and what
 * the exchange with the broker really failed with is thrown instead. For OAUTHBEARER the provider
 * is ours: that of kafkajs does not read the broker's answer, in which a token is refused, and
 * takes the login for done.
 */
import type { Clock } from '../../core/clock.ts';
import { loginHint } from '../../core/login-trouble.ts';
import { LoginFault } from '../login-fault.ts';
import { readSecret } from '../secrets.ts';
import type { Login, TokenSource } from '../security.ts';
import { fetchToken } from '../token.ts';
import { exchangeOf } from './exchange.ts';
import { type GssapiLogin, gssapiProvider } from './gssapi.ts';

/** As kafkajs has them, as far as they are used; a message is its length and its bytes. */
interface Exchange {
  readonly request: { encode(): Promise<Buffer> };
  readonly response?: {
    decode(bytes: Buffer): Promise<unknown>;
    parse(decoded: unknown): Promise<unknown>;
  };
}

export interface ProviderInput {
  readonly host: string;
  readonly port: number;
  readonly logger: unknown;
  readonly saslAuthenticate: (exchange: Exchange) => Promise<unknown>;
}

export type LoginProvider = (input: ProviderInput) => { authenticate(): Promise<void> };

/** What is given to kafkajs as `sasl`. */
export interface SaslOptions {
  readonly mechanism: string;
  authenticationProvider?: LoginProvider | undefined;
}

/**
 * Reads secrets now.
 * @throws SECRET_UNREADABLE, MECHANISM_UNAVAILABLE
 */
export function saslOf(login: Login, clock: Clock): SaslOptions {
  const { mechanism } = login;
  switch (mechanism) {
    case 'OAUTHBEARER':
      return { mechanism, authenticationProvider: listened(bearerProvider(login.token)) };
    case 'GSSAPI':
      return { mechanism, authenticationProvider: listened(kerberosProvider(login, clock)) };
    default: {
      const { username, password } = login;
      const secret = readSecret(password, 'kafka.sasl.passwordFile');
      return new BuiltInLogin(mechanism, username, secret);
    }
  }
}

/** A relay is not made without the package; here it has gone since. */
function kerberosProvider(login: GssapiLogin, clock: Clock): LoginProvider {
  try {
    return gssapiProvider(login, { clock });
  } catch (error) {
    throw new LoginFault('MECHANISM_UNAVAILABLE', (error as Error).message);
  }
}

/** kafkajs stores its provider in the options at the first login; there it is taken over. */
class BuiltInLogin implements SaslOptions {
  readonly mechanism: string;
  readonly username: string;
  readonly password: string;
  #provider: LoginProvider | undefined;

  constructor(mechanism: string, username: string, password: string) {
    this.mechanism = mechanism;
    this.username = username;
    this.password = password;
  }

  get authenticationProvider(): LoginProvider | undefined {
    return this.#provider;
  }

  set authenticationProvider(provider: LoginProvider | undefined) {
    this.#provider = provider === undefined ? undefined : listened(provider);
  }
}

/**
 * The same provider, which throws what the exchange failed with, if it was the exchange; anything
 * else that it throws is a {@link LoginFault}.
 */
export function listened(provider: LoginProvider): LoginProvider {
  return (input) => {
    let failure: { readonly error: unknown } | null = null;
    const saslAuthenticate = async (exchange: Exchange) => {
      try {
        return await input.saslAuthenticate(exchange);
      } catch (error) {
        failure = { error };
        throw error;
      }
    };
    const inner = provider({ ...input, saslAuthenticate });
    const authenticate = () =>
      inner.authenticate().catch((error: unknown) => {
        throw failure === null ? asFault(error) : failure.error;
      });
    return { authenticate };
  };
}

/** The client's own reason, e.g. a broker that cannot prove that it knows the password. */
function asFault(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && loginHint(code) !== null) return error;
  return new LoginFault('LOGIN_FAILED', typeof message === 'string' ? message : String(error));
}

/** RFC 7628, as Kafka speaks it (KIP-255). */
function bearerProvider(source: TokenSource): LoginProvider {
  return ({ saslAuthenticate }) => ({
    authenticate: async () => {
      const token = await fetchToken(source);
      const message = `n,,\u0001auth=Bearer ${token}\u0001\u0001`;
      const refusal = await saslAuthenticate(exchangeOf(Buffer.from(message)));
      if (!Buffer.isBuffer(refusal) || refusal.length === 0) return;
      // A refused token is answered like a challenge; the broker fails the login after this.
      await saslAuthenticate(exchangeOf(Buffer.from([1])));
      throw new LoginFault('LOGIN_FAILED', `the broker refuses the token: ${refusal.toString()}`);
    },
  });
}

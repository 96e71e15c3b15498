/**
 * Kerberos for kafkajs, which has none of its own: a provider of authentication for GSSAPI, as
 * RFC 4752 has it and Kafka's Java clients speak it, without a security layer (TLS is that).
 *
 * The work is done by MIT's libkrb5 through the optional package `kerberos`, and libkrb5 takes the
 * keytab and the credential cache from the environment of the process. So both are put there for
 * the moment in which a ticket is got, one login after the other, and what was there comes back.
 * Whatever else the process does with Kerberos should not rely on these two in that moment. A login
 * with neither uses the environment as it is.
 *
 * Each connection logs in anew. Tickets that came by a keytab are in memory and used again until
 * libkrb5 renews them; a keytab that is replaced is seen at the next login.
 */
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Clock } from '../../core/clock.ts';
import { KerberosMissingError } from '../../core/errors.ts';
import { LoginFault } from '../login-fault.ts';
import type { Login } from '../security.ts';
import { type Exchange, exchangeOf } from './exchange.ts';

export type GssapiLogin = Extract<Login, { readonly mechanism: 'GSSAPI' }>;

export interface GssapiConnection {
  readonly host: string;
  readonly saslAuthenticate: (exchange: Exchange) => Promise<unknown>;
}

/** What is given to kafkajs as `sasl.authenticationProvider`, with `mechanism: 'GSSAPI'`. */
export type GssapiProvider = (connection: GssapiConnection) => { authenticate(): Promise<void> };

/** Of the package, in words of ours: its types must not be needed by who does not have it. */
export interface KerberosClient {
  /** Our principal, once the context is complete. */
  readonly username: string;
  readonly contextComplete: boolean;
  /** Messages are base64 here and below. */
  step(challenge: string): Promise<string | null>;
  unwrap(challenge: string): Promise<string | null>;
  wrap(message: string, options: { readonly protect: boolean }): Promise<string>;
}

export interface KerberosLibrary {
  initializeClient(
    service: string,
    options: { readonly principal?: string },
  ): Promise<KerberosClient>;
}

export interface GssapiOptions {
  readonly clock: Clock;
  /** How the package is loaded; for tests. */
  readonly load?: () => KerberosLibrary;
}

// A bundler that cannot see the name does not insist on a package that most do without.
const load = (): KerberosLibrary => createRequire(import.meta.url)('kerberos') as KerberosLibrary;

/** For whoever creates a relay: @throws KERBEROS_MISSING when the package cannot be used. */
export function ensureKerberos(loadLibrary: () => KerberosLibrary = load): void {
  try {
    loadLibrary();
  } catch (cause) {
    // Not installed, or built for another system, or libkrb5 itself is not there.
    throw new KerberosMissingError('GSSAPI needs the package `kerberos`, which does not load', {
      cause,
    });
  }
}

/** @throws KERBEROS_MISSING when the package cannot be used */
export function gssapiProvider(login: GssapiLogin, options: GssapiOptions): GssapiProvider {
  const loadLibrary = options.load ?? load;
  ensureKerberos(loadLibrary);
  const library = loadLibrary();
  const tickets = new Tickets(login, options.clock);
  return (connection) => ({
    async authenticate() {
      const service = `${login.service}@${connection.host}`;
      const given = login.principal === null ? {} : { principal: login.principal };
      const begin = async () => {
        const client = await library.initializeClient(service, given);
        return { client, token: (await client.step('')) ?? '' };
      };
      const begun = await tickets.use(() => said(service, begin));
      await negotiate({ ...begun, service }, connection).catch((error: unknown) => {
        tickets.distrust();
        throw error;
      });
    },
  });
}

interface Begun {
  readonly client: KerberosClient;
  /** The first message, base64. */
  readonly token: string;
  readonly service: string;
}

const noLayer = 1;

async function negotiate(
  { client, token, service }: Begun,
  { saslAuthenticate }: GssapiConnection,
) {
  const exchange = async (message: string) =>
    (await saslAuthenticate(exchangeOf(Buffer.from(message, 'base64')))) as Buffer;
  // Tickets for both sides; one round for Kerberos, and the end of it is an empty message.
  let message = token;
  let answer = await exchange(message);
  while (!client.contextComplete) {
    const challenge = answer.toString('base64');
    message = (await said(service, () => client.step(challenge))) ?? '';
    answer = await exchange(message);
  }
  // Which security layers the broker has, and how long a message of theirs may be.
  const challenge = answer.toString('base64');
  const offer = await said(service, () => client.unwrap(challenge));
  const layers = Buffer.from(offer ?? '', 'base64')[0] ?? 0;
  if ((layers & noLayer) === 0) {
    throw new LoginFault(
      'LOGIN_FAILED',
      `${service} insists on a security layer of GSSAPI; use TLS instead`,
    );
  }
  const choice = Buffer.concat([Buffer.from([noLayer, 0, 0, 0]), Buffer.from(client.username)]);
  const wrapped = await said(service, () =>
    client.wrap(choice.toString('base64'), { protect: false }),
  );
  await exchange(wrapped);
}

/** What libkrb5 fails with names principals and files, never a key. */
async function said<T>(service: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new LoginFault('LOGIN_FAILED', `Kerberos login to ${service}: ${text}`);
  }
}

const distrustEveryMs = 60_000;
/** By then kafkajs has given the connection up. */
const turnWaitMaxMs = 10_000;
/** The logins of all relays in this process, which share its environment. */
let turn: Promise<unknown> = Promise.resolve();

/** Refusals by keytab; of the process, as the tickets in its memory are. */
const refusals = new Map<string, { readonly count: number; readonly atMs: number }>();

/** Where libkrb5 finds the credentials of one login, and keeps its tickets. */
class Tickets {
  readonly #login: GssapiLogin;
  readonly #clock: Clock;

  constructor(login: GssapiLogin, clock: Clock) {
    this.#login = login;
    this.#clock = clock;
  }

  /** Runs `act` in the environment that leads to them, when no other login is in its own. */
  async use<T>(act: () => Promise<T>): Promise<T> {
    const environment = await this.#environment();
    const askedAtMs = this.#clock.monotonic();
    const mine = turn.then(() => {
      // A KDC that does not answer holds the turn for half a minute, and tries must not pile up.
      if (this.#clock.monotonic() - askedAtMs > turnWaitMaxMs) {
        throw new LoginFault(
          'LOGIN_FAILED',
          'another Kerberos login took too long; is the KDC reachable?',
        );
      }
      return within(environment, act);
    });
    turn = mine.catch(() => {}); // it is the caller's
    return mine;
  }

  /**
   * After a broker has refused a ticket: the next login gets new ones, in case that its key is
   * another by now. The old ones stay in memory, so this happens once a minute at most.
   */
  distrust(): void {
    const { keytab } = this.#login;
    if (keytab === null) return;
    const atMs = this.#clock.monotonic();
    const last = refusals.get(keytab);
    if (last !== undefined && atMs - last.atMs < distrustEveryMs) return;
    refusals.set(keytab, { count: (last?.count ?? 0) + 1, atMs });
  }

  async #environment(): Promise<Readonly<Record<string, string>>> {
    const { keytab, credentialCache: cache } = this.#login;
    const given =
      cache === null ? {} : { KRB5CCNAME: cache.includes(':') ? cache : `FILE:${cache}` };
    if (keytab === null) return given;
    const { ino, mtimeMs, size } = await facts(keytab);
    // libkrb5 would put its tickets where the user's own are.
    const version = [refusals.get(keytab)?.count ?? 0, ino, mtimeMs, size].join('-');
    const memory = `MEMORY:outbox-relay-${this.#login.principal ?? ''}-${version}`;
    return { KRB5CCNAME: memory, ...given, KRB5_CLIENT_KTNAME: `FILE:${keytab}` };
  }
}

async function facts(keytab: string) {
  try {
    return await stat(keytab);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new LoginFault('SECRET_UNREADABLE', `the keytab ${keytab} cannot be read: ${code}`);
  }
}

async function within<T>(
  environment: Readonly<Record<string, string>>,
  act: () => Promise<T>,
): Promise<T> {
  const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, environment);
  try {
    return await act();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

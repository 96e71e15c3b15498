/**
 * The brokers of security tests enforce what they ask for: clients that share nothing with the
 * relay but the GSSAPI provider get in with the right credential and with no other.
 */
import { copyFileSync, readFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  type AuthenticationProviderArgs,
  Kafka,
  type KafkaConfig,
  logLevel,
  type SASLOptions,
} from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type GssapiLogin, gssapiProvider } from '../../src/sink/kafkajs/gssapi.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { SecureBrokers } from '../support/security/brokers.ts';
import type { ListenerName } from '../support/security/listeners.ts';
import type { TokenOptions } from '../support/security/token-server.ts';
import { until } from '../support/wait.ts';

let brokers: SecureBrokers;

beforeAll(async () => {
  brokers = await SecureBrokers.start();
});
afterAll(() => brokers?.stop());

type Means = Pick<KafkaConfig, 'ssl' | 'sasl' | 'socketFactory'>;

const client = (address: string, means: Means) =>
  new Kafka({
    brokers: [address],
    // Its 10 s are longer than the session, and the broker refuses to be asked all the time.
    reauthenticationThreshold: 3_000,
    ...means,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 5_000,
    retry: { retries: 0 },
  });

/** Resolves when a request that needs a login is answered. */
async function enter(address: string, means: Means): Promise<'in'> {
  const admin = client(address, means).admin();
  try {
    await admin.connect();
    await admin.listTopics();
    return 'in';
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

/** As the client wraps what its socket says. */
const failsWith = (code: string) => ({ cause: { code } });
const pem = (path: string) => readFileSync(path, 'utf8');
const trusted = () => ({ ca: pem(brokers.files.ca) });

describe('SSL', () => {
  const at = (listener: ListenerName, ssl: KafkaConfig['ssl']) =>
    enter(brokers.address(listener), ssl === undefined ? {} : { ssl });

  it('lets those in that trust its authority, and they let no other broker', async () => {
    await expect(at('SSL', trusted())).resolves.toBe('in');
    const other = { ca: pem(brokers.files.otherCa) };
    await expect(at('SSL', other)).rejects.toMatchObject(failsWith('SELF_SIGNED_CERT_IN_CHAIN'));
    await expect(at('SSL', true)).rejects.toThrow(/certificate/);
    await expect(at('SSL', undefined)).rejects.toThrow(/closed/i);
  });

  it('is seen to be expired', async () => {
    const expired = at('SSL_EXPIRED', trusted());
    await expect(expired).rejects.toMatchObject(failsWith('CERT_HAS_EXPIRED'));
    await expect(at('SSL', trusted())).resolves.toBe('in');
  });

  it('is seen to be for another host, by those who look', async () => {
    const wrong = at('SSL_WRONG_HOST', trusted());
    await expect(wrong).rejects.toMatchObject(failsWith('ERR_TLS_CERT_ALTNAME_INVALID'));
    const unchecked = { ...trusted(), checkServerIdentity: () => undefined };
    await expect(at('SSL_WRONG_HOST', unchecked)).resolves.toBe('in');
  });

  it('asks for a client certificate of its authority', async () => {
    const { clientCert, clientKey, encryptedClientKey, strangerCert, strangerKey } = brokers.files;
    const ours = { ...trusted(), cert: pem(clientCert) };
    await expect(at('SSL_MUTUAL', { ...ours, key: pem(clientKey) })).resolves.toBe('in');
    const encrypted = { ...ours, key: pem(encryptedClientKey) };
    const passphrase = brokers.clientKeyPassword;
    await expect(at('SSL_MUTUAL', { ...encrypted, passphrase })).resolves.toBe('in');
    const locked = at('SSL_MUTUAL', { ...encrypted, passphrase: 'wrong' });
    await expect(locked).rejects.toThrow(/bad decrypt/);
    const stranger = { ...trusted(), cert: pem(strangerCert), key: pem(strangerKey) };
    // The broker says so and hangs up, and the second can overtake the first.
    const code = expect.stringMatching(/^(ERR_SSL_.*ALERT_CERTIFICATE_|ECONNRESET|EPIPE)/);
    await expect(at('SSL_MUTUAL', trusted())).rejects.toMatchObject(failsWith(code));
    await expect(at('SSL_MUTUAL', stranger)).rejects.toMatchObject(failsWith(code));
  });
});

const protocols = ['SASL_PLAINTEXT', 'SASL_SSL'] as const;
type Protocol = (typeof protocols)[number];
const under = (protocol: Protocol): Means => (protocol === 'SASL_SSL' ? { ssl: trusted() } : {});
const passwords = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

function withPassword(mechanism: string, given: { username?: string; password?: string } = {}) {
  const { username, password } = brokers;
  return { mechanism: mechanism.toLowerCase(), username, password, ...given } as SASLOptions;
}

describe.each(protocols)('%s', (protocol) => {
  const as = (sasl: SASLOptions) => enter(brokers.address(protocol), { ...under(protocol), sasl });

  it.each(passwords)('checks user and password by %s', async (mechanism) => {
    const wrong = withPassword(mechanism, { password: 'wrong' });
    await expect(as(wrong)).rejects.toThrow(/authentication/i);
    const stranger = withPassword(mechanism, { username: 'stranger' });
    await expect(as(stranger)).rejects.toThrow(/authentication/i);
    await expect(as(withPassword(mechanism))).resolves.toBe('in');
  });

  it('checks who signed an OAUTHBEARER token, for whom, and when it ends', async () => {
    const as = (options: TokenOptions) =>
      enter(brokers.address(protocol), { ...under(protocol), sasl: bearer(options) });
    await expect(as({ forged: true })).rejects.toThrow(/invalid_token/);
    await expect(as({ audience: 'another' })).rejects.toThrow(/invalid_token/);
    await expect(as({ lifetimeSeconds: -1 })).rejects.toThrow(/invalid_token/);
    await expect(as({})).resolves.toBe('in');
  });

  it('checks a Kerberos ticket, from a keytab and from a credential cache', async () => {
    const { files, principal } = brokers.kerberos;
    const { keytab, staleKeytab, credentialCache } = files;
    await expect(as(ticket({ keytab: staleKeytab }))).rejects.toMatchObject(refused);
    await expect(as(ticket({ keytab }))).resolves.toBe('in');
    await expect(as(ticket({ keytab, principal }))).resolves.toBe('in');
    await expect(as(ticket({ credentialCache: keytab }))).rejects.toMatchObject(refused);
    await expect(as(ticket({ credentialCache }))).resolves.toBe('in');
  });
});

/** The client's own provider does not read the broker's answer, in which a token is refused. */
function bearer(options: TokenOptions): SASLOptions {
  const authenticationProvider = ({ saslAuthenticate }: AuthenticationProviderArgs) => ({
    authenticate: async () => {
      const token = await brokers.tokenServer.sign(options);
      const message = Buffer.from(`....n,,\u0001auth=Bearer ${token}\u0001\u0001`);
      message.writeInt32BE(message.length - 4);
      const answer = await saslAuthenticate({
        request: { encode: () => message },
        response: { decode: (bytes) => bytes.subarray(4), parse: String },
      });
      if (answer) throw new Error(answer);
    },
  });
  return { mechanism: 'OAUTHBEARER', authenticationProvider } as unknown as SASLOptions;
}

const refused = { code: 'LOGIN_FAILED', retriable: false };

function ticket(given: Partial<GssapiLogin>): SASLOptions {
  const { service } = brokers.kerberos;
  const none = { principal: null, keytab: null, credentialCache: null };
  const login: GssapiLogin = { mechanism: 'GSSAPI', service, ...none, ...given };
  const authenticationProvider = gssapiProvider(login, { clock: systemClock });
  return { mechanism: 'GSSAPI', authenticationProvider } as unknown as SASLOptions;
}

describe('a mechanism that the listener does not offer', () => {
  it.each([...passwords, 'OAUTHBEARER', 'GSSAPI'])('is refused: %s', async (mechanism) => {
    const noToken = async () => ({ value: await brokers.tokenServer.sign() });
    const means: Record<string, SASLOptions> = {
      OAUTHBEARER: { mechanism: 'oauthbearer', oauthBearerProvider: noToken },
      GSSAPI: ticket({ keytab: brokers.kerberos.files.keytab }),
    };
    const sasl = means[mechanism] ?? withPassword(mechanism);
    const without = enter(brokers.addressWithout(mechanism), { sasl });
    await expect(without).rejects.toThrow(/does not support the requested SASL mechanism/);
    await expect(enter(brokers.address('SASL_PLAINTEXT'), { sasl })).resolves.toBe('in');
  });
});

describe('GSSAPI', () => {
  const at = (given: Partial<GssapiLogin>) =>
    enter(brokers.address('SASL_PLAINTEXT'), { sasl: ticket(given) });

  it('says what is wrong, without a secret', async () => {
    const { files, principal } = brokers.kerberos;
    const { keytab, staleKeytab } = files;
    await expect(at({ keytab: '/nowhere' })).rejects.toThrow(
      /^the keytab \/nowhere cannot be read: ENOENT$/,
    );
    await expect(at({ keytab: staleKeytab, principal })).rejects.toThrow(/kafka@localhost/);
    await expect(at({ keytab, principal: 'nobody' })).rejects.toThrow(/nobody/);
    await expect(at({ keytab, service: 'other' })).rejects.toThrow(/other\/localhost.*not found/);
  });

  it('sees a keytab that is replaced at the next login', async () => {
    const { keytab, staleKeytab } = brokers.kerberos.files;
    const rotated = join(brokers.folder, 'rotated.keytab');
    copyFileSync(staleKeytab, rotated);
    const sasl = ticket({ keytab: rotated });
    const address = brokers.address('SASL_PLAINTEXT');
    await expect(enter(address, { sasl })).rejects.toMatchObject(refused);
    copyFileSync(keytab, rotated);
    await expect(enter(address, { sasl })).resolves.toBe('in');
  });

  it('leaves the environment as it was, whoever logs in beside', async () => {
    const { keytab, staleKeytab, credentialCache } = brokers.kerberos.files;
    const names = ['KRB5CCNAME', 'KRB5_CLIENT_KTNAME'];
    const before = names.map((name) => process.env[name]);
    const results = await Promise.allSettled(
      [{ keytab }, { keytab: staleKeytab }, { credentialCache }, { keytab }].map(at),
    );
    const statuses = results.map(({ status }) => status);
    expect(statuses).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(names.map((name) => process.env[name])).toEqual(before);
  });
});

it('a relay waits while its keytab is of no use, and delivers when it is replaced', async () => {
  const { keytab, staleKeytab } = brokers.kerberos.files;
  const rotated = join(brokers.folder, 'relay-rotated.keytab');
  copyFileSync(staleKeytab, rotated);
  const scene = new Scene();
  try {
    scene.enqueue(20);
    const sasl = { mechanism: 'GSSAPI', keytab: rotated } as const;
    const retry = { delayMs: 100 };
    const relay = scene.relay(brokers.address('SASL_PLAINTEXT'), { kafka: { sasl }, retry });
    await relay.start();
    const failures = () => relay.status().lanes.map(({ failure }) => failure?.code);
    await until('the login has failed', () => failures().includes('LOGIN_FAILED'));
    expect(relay.status().pending).toBe(20);
    copyFileSync(keytab, rotated);
    await scene.drained(relay);
    expect(await scene.account(brokers.kafka)).toMatchObject(allDelivered);
  } finally {
    await scene.close();
  }
});

describe('OAUTHBEARER', () => {
  it('is asked for again before its session ends, on the same connection', async () => {
    const { tokenServer } = brokers;
    let tokens = 0;
    const oauthBearerProvider = async () => {
      tokens += 1;
      return { value: await tokenServer.sign() };
    };
    let connections = 0;
    const socketFactory: KafkaConfig['socketFactory'] = ({ host, port, onConnect }) => {
      connections += 1;
      return connect({ host, port }, onConnect);
    };
    const sasl = { mechanism: 'oauthbearer' as const, oauthBearerProvider };
    const address = brokers.address('SASL_PLAINTEXT');
    const admin = client(address, { sasl, socketFactory }).admin();
    await admin.connect();
    try {
      await admin.listTopics();
      const atFirst = { tokens, connections };
      await until('two renewals', async () => {
        await admin.listTopics();
        return tokens >= atFirst.tokens + 2;
      });
      expect(connections).toBe(atFirst.connections);
    } finally {
      await admin.disconnect();
    }
  });
});

describe('the token server', () => {
  it('gives tokens to its client only, counts them, and can refuse', async () => {
    const { tokenServer } = brokers;
    const ask = async (secret: string, grant = 'client_credentials') => {
      const basic = Buffer.from(`${tokenServer.clientId}:${secret}`).toString('base64');
      const response = await fetch(tokenServer.url, {
        method: 'POST',
        headers: { authorization: `Basic ${basic}` },
        body: new URLSearchParams({ grant_type: grant, scope: 'kafka' }),
      });
      return { status: response.status, ...((await response.json()) as object) };
    };
    const issued = tokenServer.issued;
    expect(await ask('wrong')).toEqual({ status: 401, error: 'invalid_client' });
    expect(await ask(tokenServer.clientSecret, 'password')).toMatchObject({ status: 400 });
    tokenServer.refuse(503);
    expect(await ask(tokenServer.clientSecret)).toMatchObject({ status: 503 });
    tokenServer.refuse(null);
    expect(tokenServer.issued).toBe(issued);
    const answer = await ask(tokenServer.clientSecret);
    expect(answer).toMatchObject({ status: 200, token_type: 'Bearer', expires_in: 60 });
    expect(tokenServer.issued).toBe(issued + 1);
    expect(tokenServer.lastScope).toBe('kafka');
  });

  it('has the same over TLS, for those who trust its authority', async () => {
    const { tokenServer, files } = brokers;
    const status = (ca: string) =>
      new Promise((resolve, reject) => {
        get(tokenServer.secureUrl, { ca }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        }).on('error', reject);
      });
    await expect(status(pem(files.ca))).resolves.toBe(404); // GET
    await expect(status(pem(files.otherCa))).rejects.toThrow(/certificate/);
  });
});

it('a SCRAM password that is changed on the broker is asked for from then on', async () => {
  const at = (password: string) =>
    enter(brokers.address('SASL_PLAINTEXT'), { sasl: withPassword('SCRAM-SHA-256', { password }) });
  await brokers.setScramPassword('another');
  await expect(at(brokers.password)).rejects.toThrow(/authentication/i);
  await expect(at('another')).resolves.toBe('in');
  await brokers.setScramPassword(brokers.password);
});

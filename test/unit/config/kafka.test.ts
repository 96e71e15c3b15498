/** TLS, login and compression: what is refused, what comes of it, and that no secret is shown. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeConfig, nameProtocol } from '../../../src/config/describe.ts';
import type { Fault } from '../../../src/config/fault.ts';
import { loadOptions } from '../../../src/config/load.ts';
import { type CodeOptions, resolveConfig, resolveFile } from '../../../src/config/resolve.ts';
import type { OutboxRelayError } from '../../../src/core/errors.ts';

const minimal = { db: 'shop.db', brokers: ['kafka:9092'] };
const secret = 'p4ss://hidden';

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-kafka-'));
  file = join(folder, 'secret');
  writeFileSync(file, 'from a file\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

const resolve = (kafka: object, code?: CodeOptions) => resolveConfig({ ...minimal, kafka }, code);

/** Each fault as a line; the whole of it must show no secret. */
function faultsOf(kafka: unknown, code?: CodeOptions): string[] {
  try {
    resolveConfig({ ...minimal, kafka }, code);
  } catch (thrown) {
    const { message, details } = thrown as OutboxRelayError;
    const faults = details['faults'] as Fault[];
    expect(`${message}${JSON.stringify(faults)}`).not.toContain('hidden');
    return faults.map(({ path, problem }) => `${path.replace('kafka.', '')} ${problem}`);
  }
  return [];
}

const callback = { fetchKafkaToken: async () => 'token' };

describe('TLS', () => {
  it('is off by default and with false, and verifies everything with true', () => {
    const all = { caFile: null, certFile: null, keyFile: null, keyPassword: null };
    expect(resolve({}).security.tls).toBeNull();
    expect(resolve({ ssl: false }).security.tls).toBeNull();
    expect(resolve({ ssl: true }).security.tls).toEqual({ ...all, checkHostname: true });
    expect(resolve({ ssl: { checkHostname: false } }).security.tls?.checkHostname).toBe(false);
  });

  it('takes a client certificate with its key', () => {
    const pair = { certFile: file, keyFile: file };
    expect(faultsOf({ ssl: { certFile: file } })).toEqual([
      'ssl.keyFile must be given with certFile',
    ]);
    expect(faultsOf({ ssl: { keyFile: file } })).toEqual([
      'ssl.certFile must be given with keyFile',
    ]);
    expect(faultsOf({ ssl: { keyPassword: secret } })).toEqual([
      'ssl.keyPassword has no effect without keyFile',
    ]);
    expect(faultsOf({ ssl: { ...pair, keyPassword: secret, keyPasswordFile: file } })).toEqual([
      'ssl.keyPasswordFile must not be beside keyPassword',
    ]);
    const { tls } = resolve({ ssl: { ...pair, keyPasswordFile: file } }).security;
    expect(tls).toMatchObject({ ...pair, keyPassword: { file } });
  });
});

describe('a login', () => {
  const user = { username: 'relay', password: secret };

  it.each(['PLAIN', 'plain', 'Scram-Sha-256', 'SCRAM-SHA-512'])(
    'with %s has a password',
    (name) => {
      const { login } = resolve({ sasl: { mechanism: name, ...user } }).security;
      const password = { value: secret };
      expect(login).toEqual({ mechanism: name.toUpperCase(), username: 'relay', password });
    },
  );

  it.each([
    [
      {},
      ['sasl.mechanism must be given (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI)'],
    ],
    [
      { mechanism: 'DIGEST-MD5', username: 'relay' },
      [expect.stringMatching(/^sasl\.mechanism must be "PLAIN"/)],
    ],
    [
      { mechanism: 'PLAIN' },
      ['sasl.username must be given with PLAIN', 'sasl.password must be given, or passwordFile'],
    ],
    [{ mechanism: 'PLAIN', ...user, scope: 'x' }, ['sasl.scope has no effect with PLAIN']],
    [
      { mechanism: 'GSSAPI', ...user },
      ['sasl.username has no effect with GSSAPI', 'sasl.password has no effect with GSSAPI'],
    ],
    [
      { mechanism: 'GSSAPI', keytab: '.', credentialCache: 'KEYRING:x' },
      [
        'sasl.credentialCache must not be beside keytab',
        'sasl.keytab must be a file that can be read (EISDIR)',
      ],
    ],
    [
      { mechanism: 'OAUTHBEARER' },
      ['sasl.tokenEndpoint must be given, or tokenFile, or fetchKafkaToken in code'],
    ],
    [
      { mechanism: 'OAUTHBEARER', clientId: 'x' },
      [
        expect.stringMatching(/^sasl\.tokenEndpoint/),
        'sasl.clientId has no effect without tokenEndpoint',
      ],
    ],
    [
      { mechanism: 'OAUTHBEARER', tokenEndpoint: 'https://idp/token' },
      [
        'sasl.clientId must be given with tokenEndpoint',
        'sasl.clientSecret must be given, or clientSecretFile',
      ],
    ],
    [
      { mechanism: 'OAUTHBEARER', tokenEndpoint: 'ftp://idp', clientId: 'x', clientSecret: secret },
      ['sasl.tokenEndpoint must be an http:// or https:// URL'],
    ],
    [
      { mechanism: 'PLAIN', username: 'relay', password: { not: secret } },
      ['sasl.password must be text'],
    ],
    [
      { mechanism: 'PLAIN', ...user, passwrod: secret },
      ['sasl.passwrod is not an option; kafka.sasl.password is'],
    ],
  ])('of %o is refused', (sasl, faults) => {
    expect(faultsOf({ sasl })).toEqual(faults);
  });

  it.each([
    { ssl: secret },
    { ssl: { keyPassword: [secret] } },
    { ssl: { passwd: secret } },
    { sasl: [secret] },
    secret,
  ])('shows no secret that is in the wrong place', (kafka) => {
    expect(faultsOf(kafka)).toHaveLength(1);
  });

  it('gets a token from exactly one place', () => {
    const sasl = { mechanism: 'OAUTHBEARER' };
    const kinds = [
      resolve({ sasl: { ...sasl, tokenFile: file } }),
      resolve({ sasl }, callback),
      resolve({
        sasl: { ...sasl, tokenEndpoint: 'https://idp/t', clientId: 'a', clientSecret: 'b' },
      }),
    ].map(
      ({ security }) => security.login?.mechanism === 'OAUTHBEARER' && security.login.token.kind,
    );
    expect(kinds).toEqual(['file', 'callback', 'endpoint']);
    expect(faultsOf({ sasl: { ...sasl, tokenFile: file } }, callback)).toEqual([
      'sasl.tokenFile has no effect beside fetchKafkaToken',
    ]);
    const both = {
      tokenFile: file,
      tokenEndpoint: 'https://idp/t',
      clientId: 'a',
      clientSecret: 'b',
    };
    expect(faultsOf({ sasl: { ...sasl, ...both } })).toEqual([
      'sasl.tokenFile must not be beside tokenEndpoint',
    ]);
  });

  it('is frozen through and through', () => {
    const { security } = resolve({ ssl: true, sasl: { mechanism: 'PLAIN', ...user } });
    const login = security.login as { password: object };
    const parts = [security, security.tls, login, login.password];
    expect(parts.map((part) => Object.isFrozen(part))).toEqual([true, true, true, true]);
  });
});

describe('a file', () => {
  const kafka = () => ({
    ssl: { caFile: join(folder, 'none') },
    sasl: { mechanism: 'PLAIN', username: 'relay', passwordFile: folder },
  });

  it('that cannot be read is refused when a relay starts', () => {
    expect(faultsOf(kafka())).toEqual([
      'ssl.caFile must be a file that can be read (ENOENT)',
      'sasl.passwordFile must be a file that can be read (EISDIR)',
    ]);
    // Root may read everything, and Windows has other means: this is of other users elsewhere.
    chmodSync(file, 0);
    const closed = faultsOf({ ssl: { caFile: file } });
    expect(closed).toHaveLength((process.getuid?.() ?? 0) === 0 ? 0 : 1);
    chmodSync(file, 0o600);
  });

  it('is no business of a command that only writes events', () => {
    const options = { ...minimal, kafka: kafka() };
    const loaded = { options, origins: new Map<string, string>(), file: undefined, faults: [] };
    expect(resolveFile(loaded)).toMatchObject({ db: 'shop.db' });
  });
});

describe('what is printed of a configuration', () => {
  const sasl = { mechanism: 'plain', username: 'relay', password: secret };
  const options = (kafka: object) => ({ ...minimal, redis: 'redis://u:hidden@redis:6379', kafka });
  const printed = (kafka: object, code?: CodeOptions) =>
    describeConfig(resolveConfig(options(kafka), code));

  it('is every option by name, secrets masked', () => {
    const all = printed({ ssl: { certFile: file, keyFile: file, keyPassword: secret }, sasl });
    expect(JSON.stringify(all)).not.toContain('hidden');
    expect(all).toMatchObject({
      db: 'shop.db',
      redis: 'redis://u:***@redis:6379',
      kafka: {
        ssl: { certFile: file, keyPassword: '***', checkHostname: true },
        sasl: { mechanism: 'PLAIN', username: 'relay', password: '***' },
        compression: 'none',
      },
    });
  });

  it('names files, and never what is in them', () => {
    const shown = printed({ sasl: { ...sasl, password: undefined, passwordFile: file } });
    expect(shown['kafka']).toMatchObject({ ssl: false, sasl: { passwordFile: file } });
    expect(JSON.stringify(shown)).not.toContain('from a file');
  });

  it('has a token’s source', () => {
    const mechanism = 'OAUTHBEARER';
    const endpoint = {
      tokenEndpoint: 'https://u:hidden@idp/t',
      clientId: 'a',
      clientSecret: secret,
    };
    const shown = printed({ sasl: { mechanism, ...endpoint } });
    expect(JSON.stringify(shown)).not.toContain('hidden');
    expect(shown['kafka']).toMatchObject({ sasl: { clientId: 'a', clientSecret: '***' } });
    expect(printed({ sasl: { mechanism } }, callback)['kafka']).toMatchObject({
      sasl: { mechanism, fetchKafkaToken: 'given in code' },
    });
  });

  it('has the protocol under Kafka’s own name', () => {
    const names = [{}, { ssl: true }, { sasl }, { ssl: true, sasl }].map((kafka) =>
      nameProtocol(resolve(kafka).security),
    );
    const login = 'with PLAIN';
    expect(names).toEqual(['PLAINTEXT', 'SSL', `SASL_PLAINTEXT ${login}`, `SASL_SSL ${login}`]);
  });
});

it('a password in the environment stays text, whatever it looks like', () => {
  const env = { OUTBOX_RELAY_KAFKA_SASL_PASSWORD: '12345' };
  const { options } = loadOptions({ file: undefined, env, flags: {} });
  expect(options).toEqual({ kafka: { sasl: { password: '12345' } } });
});

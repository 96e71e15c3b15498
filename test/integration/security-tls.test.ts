/** Each way over TLS through a relay: what keeps it out, under which code, and what mends it. */
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRelay } from '../../src/index.ts';
import { SecureBrokers } from '../support/security/brokers.ts';
import type { ListenerName } from '../support/security/listeners.ts';
import { delivers, isKeptOut, outagesOf, Watched, type Way } from '../support/security/watched.ts';
import { until } from '../support/wait.ts';

let brokers: SecureBrokers;

beforeAll(async () => {
  brokers = await SecureBrokers.start();
});
afterAll(() => brokers?.stop());

type Ssl = NonNullable<NonNullable<Way['kafka']>['ssl']>;

const over = (listener: ListenerName, ssl: Ssl): Way => ({
  at: brokers.address(listener),
  kafka: { ssl },
});
const trusted = () => ({ caFile: brokers.files.ca });

/** A file of its own with what is in another one; `becomes` is the rotation. */
function rotating(name: string, from: string) {
  const file = brokers.write(name, readFileSync(from, 'utf8'));
  return { file, becomes: (other: string) => copyFileSync(other, file) };
}

/** Of the broker's own side, e.g. a certificate: another listener of it has the right one. */
const elsewhere = () => over('SSL', trusted());

describe('PLAINTEXT', () => {
  it('delivers', () => delivers(brokers, { at: brokers.kafka.address }));
});

describe('SSL', () => {
  it('delivers to a broker that caFile verifies, its host name checked', () =>
    delivers(brokers, over('SSL', { ...trusted(), checkHostname: true })));

  it('is kept out by a caFile of another authority, until it is replaced', async () => {
    const { file, becomes } = rotating('rotated-ca.pem', brokers.files.otherCa);
    const mend = () => becomes(brokers.files.ca);
    await isKeptOut(brokers, over('SSL', { caFile: file }), { code: 'TLS_UNTRUSTED', mend });
  });

  it('does not trust a private authority by itself', () =>
    isKeptOut(brokers, over('SSL', true), { code: 'TLS_UNTRUSTED', mend: elsewhere() }));

  it('is kept out by an expired certificate', () =>
    isKeptOut(brokers, over('SSL_EXPIRED', trusted()), {
      code: 'TLS_EXPIRED',
      mend: elsewhere(),
    }));

  it('is kept out by an expired certificate without a look at the host name, too', () =>
    isKeptOut(brokers, over('SSL_EXPIRED', { ...trusted(), checkHostname: false }), {
      code: 'TLS_EXPIRED',
      mend: elsewhere(),
    }));

  it('is kept out by the name of another host, and let in by checkHostname: false', () =>
    isKeptOut(brokers, over('SSL_WRONG_HOST', trusted()), {
      code: 'TLS_WRONG_HOST',
      mend: over('SSL_WRONG_HOST', { ...trusted(), checkHostname: false }),
    }));

  it('with checkHostname: false still verifies who signed', () =>
    isKeptOut(
      brokers,
      over('SSL_WRONG_HOST', { caFile: brokers.files.otherCa, checkHostname: false }),
      { code: 'TLS_UNTRUSTED', mend: elsewhere() },
    ));

  it('is kept out while caFile is gone, and let in when it is back', async () => {
    const { file, becomes } = rotating('vanishing-ca.pem', brokers.files.ca);
    await isKeptOut(brokers, over('SSL', { caFile: file }), {
      code: 'SECRET_UNREADABLE',
      before: () => rmSync(file),
      mend: () => becomes(brokers.files.ca),
    });
  });
});

describe('SSL with a client certificate', () => {
  const own = () => ({
    ...trusted(),
    certFile: brokers.files.clientCert,
    keyFile: brokers.files.clientKey,
  });

  it('delivers', () => delivers(brokers, over('SSL_MUTUAL', own())));

  it('is kept out without one', () =>
    isKeptOut(brokers, over('SSL_MUTUAL', trusted()), {
      code: 'TLS_CLIENT_REFUSED',
      mend: over('SSL_MUTUAL', own()),
    }));

  it('is kept out with a stranger’s, until certificate and key are replaced', async () => {
    const { strangerCert, strangerKey, clientCert, clientKey } = brokers.files;
    const cert = rotating('rotated.pem', strangerCert);
    const key = rotating('rotated.key', strangerKey);
    const ssl = { ...trusted(), certFile: cert.file, keyFile: key.file };
    await isKeptOut(brokers, over('SSL_MUTUAL', ssl), {
      code: 'TLS_CLIENT_REFUSED',
      mend: () => {
        cert.becomes(clientCert);
        key.becomes(clientKey);
      },
    });
  });

  it('is kept out with a key that is not the certificate’s', async () => {
    const key = rotating('foreign.key', brokers.files.strangerKey);
    await isKeptOut(brokers, over('SSL_MUTUAL', { ...own(), keyFile: key.file }), {
      code: 'TLS_FILE_INVALID',
      mend: () => key.becomes(brokers.files.clientKey),
    });
  });

  const encrypted = () => ({ ...own(), keyFile: brokers.files.encryptedClientKey });

  it('delivers with an encrypted key, its password given as text', () =>
    delivers(
      brokers,
      over('SSL_MUTUAL', { ...encrypted(), keyPassword: brokers.clientKeyPassword }),
    ));

  it('is kept out by a wrong key password, until its file is right', async () => {
    const wrong = crypto.randomUUID();
    const keyPasswordFile = brokers.write('key-password', `${wrong}\n`);
    const { clientKeyPassword } = brokers;
    await isKeptOut(brokers, over('SSL_MUTUAL', { ...encrypted(), keyPasswordFile }), {
      code: 'TLS_FILE_INVALID',
      mend: () => brokers.write('key-password', `${clientKeyPassword}\n`),
      secrets: [wrong, clientKeyPassword],
    });
  });
});

describe('a file of kafka.ssl that cannot be read', () => {
  it.each(['caFile', 'certFile', 'keyFile', 'keyPasswordFile'])(
    'is told at creation: %s',
    (name) => {
      const { clientCert: certFile, encryptedClientKey: keyFile } = brokers.files;
      const nowhere = join(brokers.folder, 'nowhere');
      const files = { ...trusted(), certFile, keyFile, [name]: nowhere };
      const { at, kafka } = over('SSL_MUTUAL', files);
      const create = () => createRelay({ db: ':memory:', brokers: [at], ...(kafka && { kafka }) });
      expect(create).toThrow(`kafka.ssl.${name}: must be a file that can be read`);
      expect(create).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    },
  );
});

/** Here a broker that asks for something else only hangs up: docs/security.md says so. */
describe('the wrong protocol for a listener is an outage like any other', () => {
  const password = () => ({
    mechanism: 'PLAIN' as const,
    username: brokers.username,
    password: brokers.password,
  });

  // The end of a connection can come as a reset.
  const closed = expect.stringMatching(/^(KafkaJSConnectionClosedError|ECONNRESET|EPIPE)$/);
  const reset = expect.stringMatching(/^(ECONNRESET|EPIPE)$/);

  it.each<[string, unknown, () => Way]>([
    ['PLAINTEXT to SSL', closed, () => ({ at: brokers.address('SSL') })],
    ['SSL to PLAINTEXT', reset, () => ({ at: brokers.kafka.address, kafka: { ssl: trusted() } })],
    ['PLAINTEXT to SASL_PLAINTEXT', closed, () => ({ at: brokers.address('SASL_PLAINTEXT') })],
    ['SSL to SASL_SSL', closed, () => over('SASL_SSL', trusted())],
    [
      'SASL_PLAINTEXT to SASL_SSL',
      closed,
      () => ({ at: brokers.address('SASL_SSL'), kafka: { sasl: password() } }),
    ],
  ])('%s', async (_, code, way) => {
    const watched = new Watched();
    try {
      watched.scene.enqueue(1);
      const relay = watched.relay(way());
      await relay.start();
      await until('two outages', () => outagesOf(relay) >= 2);
      const [lane] = relay.status().lanes;
      expect(lane?.failure).toMatchObject({ kind: 'outage', code });
      expect(relay.metrics().loginFailuresTotal).toBe(0);
      expect(relay.status().pending).toBe(1);
    } finally {
      await watched.scene.close();
    }
  });

  it('but a login that the listener does not ask for is told', () =>
    isKeptOut(
      brokers,
      { ...over('SSL', trusted()), kafka: { ssl: trusted(), sasl: password() } },
      {
        code: 'LOGIN_FAILED',
        mend: elsewhere(),
        secrets: [brokers.password],
      },
    ));
});

/** Each way to log in by password or ticket through a relay: what keeps it out, what mends it. */
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRelay } from '../../src/index.ts';
import { CommandLine } from '../support/cli.ts';
import { SecureBrokers } from '../support/security/brokers.ts';
import { delivers, isKeptOut, type Way } from '../support/security/watched.ts';

let brokers: SecureBrokers;

beforeAll(async () => {
  brokers = await SecureBrokers.start();
});
afterAll(() => brokers?.stop());

const protocols = ['SASL_PLAINTEXT', 'SASL_SSL'] as const;
const passwords = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
type Protocol = (typeof protocols)[number];
type Sasl = NonNullable<NonNullable<Way['kafka']>['sasl']>;

function over(protocol: Protocol, sasl: Sasl): Way {
  const ssl = protocol === 'SASL_SSL' ? { ssl: { caFile: brokers.files.ca } } : {};
  return { at: brokers.address(protocol), kafka: { ...ssl, sasl } };
}

describe.each(protocols)('%s', (protocol) => {
  describe.each(passwords)('with %s', (mechanism) => {
    it('is kept out by a wrong password, until its file is right', async () => {
      const wrong = crypto.randomUUID();
      const { username, password } = brokers;
      const passwordFile = brokers.write('password', `${wrong}\n`);
      await isKeptOut(brokers, over(protocol, { mechanism, username, passwordFile }), {
        code: 'LOGIN_FAILED',
        mend: () => brokers.write('password', `${password}\n`),
        secrets: [wrong, password],
      });
    });

    it('is kept out by a wrong user; the right one comes in with the password as text', () => {
      const { password, username } = brokers;
      const as = (username: string) => over(protocol, { mechanism, username, password });
      const trouble = { code: 'LOGIN_FAILED', mend: as(username), secrets: [password] };
      return isKeptOut(brokers, as('stranger'), trouble);
    });
  });

  describe('with GSSAPI', () => {
    /** A file that is another one by and by, as when a keytab or a ticket is renewed. */
    const rotating = (from: string) => {
      const file = join(brokers.folder, crypto.randomUUID());
      copyFileSync(from, file);
      return { file, becomes: (other: string) => copyFileSync(other, file) };
    };

    it('is kept out by a stale keytab, until it is replaced', async () => {
      const { staleKeytab, keytab } = brokers.kerberos.files;
      const { file, becomes } = rotating(staleKeytab);
      await isKeptOut(brokers, over(protocol, { mechanism: 'GSSAPI', keytab: file }), {
        code: 'LOGIN_FAILED',
        mend: () => becomes(keytab),
      });
    });

    it('is kept out by a credential cache that is none, until it is replaced', async () => {
      const { credentialCache } = brokers.kerberos.files;
      const { file, becomes } = rotating(brokers.files.ca);
      await isKeptOut(brokers, over(protocol, { mechanism: 'GSSAPI', credentialCache: file }), {
        code: 'LOGIN_FAILED',
        mend: () => becomes(credentialCache),
      });
    });

    it('is kept out while the keytab is gone, and let in when it is back', async () => {
      const { keytab } = brokers.kerberos.files;
      const { file, becomes } = rotating(keytab);
      await isKeptOut(brokers, over(protocol, { mechanism: 'GSSAPI', keytab: file }), {
        code: 'SECRET_UNREADABLE',
        before: () => rmSync(file),
        mend: () => becomes(keytab),
      });
    });
  });
});

describe('SASL_SSL', () => {
  const plain = () => {
    const { username, password } = brokers;
    return { mechanism: 'PLAIN' as const, username, password };
  };

  it('tells the certificate before the login', async () => {
    const caFile = brokers.write('their-ca.pem', readFileSync(brokers.files.otherCa, 'utf8'));
    const sasl = { ...plain(), password: 'wrong' };
    await isKeptOut(
      brokers,
      { at: brokers.address('SASL_SSL'), kafka: { ssl: { caFile }, sasl } },
      {
        code: 'TLS_UNTRUSTED',
        mend: over('SASL_SSL', plain()),
      },
    );
  });

  it('is kept out by an expired certificate', () => {
    const ssl = { caFile: brokers.files.ca };
    const expired = { at: brokers.address('SASL_SSL_EXPIRED'), kafka: { ssl, sasl: plain() } };
    return isKeptOut(brokers, expired, { code: 'TLS_EXPIRED', mend: over('SASL_SSL', plain()) });
  });

  it('is kept out by the name of another host, and let in by checkHostname: false', () => {
    const at = brokers.address('SASL_SSL_WRONG_HOST');
    const checking = (checkHostname: boolean): Way => {
      const ssl = { caFile: brokers.files.ca, checkHostname };
      return { at, kafka: { ssl, sasl: plain() } };
    };
    return isKeptOut(brokers, checking(true), { code: 'TLS_WRONG_HOST', mend: checking(false) });
  });

  it('is kept out while the password’s file is gone, and let in when it is back', async () => {
    const { username, password } = brokers;
    const passwordFile = brokers.write('vanishing', password);
    await isKeptOut(brokers, over('SASL_SSL', { mechanism: 'PLAIN', username, passwordFile }), {
      code: 'SECRET_UNREADABLE',
      before: () => rmSync(passwordFile),
      mend: () => brokers.write('vanishing', password),
      secrets: [password],
    });
  });
});

/** The login with each mechanism that is right where it is offered. */
function right(mechanism: string): Pick<Way, 'fetchKafkaToken'> & { readonly sasl: Sasl } {
  const { username, password, kerberos, tokenServer } = brokers;
  if (mechanism === 'GSSAPI') return { sasl: { mechanism, keytab: kerberos.files.keytab } };
  if (mechanism === 'OAUTHBEARER') {
    return { sasl: { mechanism }, fetchKafkaToken: () => tokenServer.sign() };
  }
  return { sasl: { mechanism: mechanism as 'PLAIN', username, password } };
}

describe('a mechanism', () => {
  it.each([...passwords, 'OAUTHBEARER', 'GSSAPI'])(
    'that the listener does not offer: %s',
    async (mechanism) => {
      const { sasl, ...hooks } = right(mechanism);
      const without = { at: brokers.addressWithout(mechanism), kafka: { sasl }, ...hooks };
      await isKeptOut(brokers, without, {
        code: 'MECHANISM_NOT_OFFERED',
        mend: { ...over('SASL_PLAINTEXT', sasl), ...hooks },
        secrets: [brokers.password],
      });
    },
  );

  it('that nobody knows is refused at creation', async () => {
    const { username, password } = brokers;
    const { at } = over('SASL_SSL', {});
    const create = (mechanism: string) => {
      const sasl = { mechanism: mechanism as 'PLAIN', username, password };
      return createRelay({ db: ':memory:', brokers: [at], kafka: { sasl } });
    };
    expect(() => create('SCRAM-SHA-1')).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('kafka.sasl.mechanism'),
      }),
    );
    await delivers(brokers, over('SASL_SSL', { mechanism: 'SCRAM-SHA-512', username, password }));
  });
});

describe('the command line', () => {
  it('relays with secrets of the environment and files, and never shows one', async () => {
    const cli = new CommandLine();
    try {
      const env = {
        OUTBOX_RELAY_BROKERS: brokers.address('SASL_SSL'),
        OUTBOX_RELAY_KAFKA_SSL_CA_FILE: brokers.files.ca,
        OUTBOX_RELAY_KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
        OUTBOX_RELAY_KAFKA_SASL_USERNAME: brokers.username,
        OUTBOX_RELAY_KAFKA_SASL_PASSWORD: brokers.password,
      };
      const args = ['run', '--db', cli.db, '--log-level', 'debug'];
      const printed = await cli.run([...args, '--print-config'], { env });
      expect(printed).toMatchObject({ code: 0, out: expect.stringContaining('***') });
      const topic = `t-${crypto.randomUUID()}`;
      await brokers.kafka.createTopic(topic, 1);
      const publish = ['publish', '--db', cli.db, '--topic', topic];
      expect(await cli.run(publish, { input: '{}\n{}\n' })).toMatchObject({ code: 0 });
      const wrong = crypto.randomUUID();
      const kept = cli.start(args, { env: { ...env, OUTBOX_RELAY_KAFKA_SASL_PASSWORD: wrong } });
      await kept.line('LOGIN_FAILED');
      kept.signal('SIGTERM');
      await kept.ended;
      const relay = cli.start(args, { env });
      expect(await brokers.kafka.consume(topic, 2)).toHaveLength(2);
      relay.signal('SIGTERM');
      expect(await relay.ended).toMatchObject({ code: 0 });
      const said = [printed.out, printed.err, kept, relay].flatMap((one) =>
        typeof one === 'string' ? [one] : [...one.lines, ...one.errors],
      );
      for (const secret of [wrong, brokers.password]) expect(said.join('\n')).not.toContain(secret);
    } finally {
      await cli.close();
    }
  });
});

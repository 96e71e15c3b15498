/** From options and endpoints.yml to settings: what is taken, and what is refused at creation. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KafkaEventBroker } from '../../../src/rasa/index.ts';
import { readSettings } from '../../../src/rasa/options.ts';
import { toRelayOptions } from '../../../src/rasa/relay-options.ts';
import { RasaScene } from '../../support/rasa.ts';
import { makeCertificates } from '../../support/security/certificates.ts';

let scene: RasaScene;
beforeEach(() => {
  scene = new RasaScene();
});
afterEach(async () => {
  await scene.close();
  vi.unstubAllEnvs();
});

const relayOf = (given: Record<string, unknown>) =>
  toRelayOptions(readSettings({ url: 'a', security_protocol: 'PLAINTEXT', ...given }));
const login = { sasl_username: 'rasa', sasl_password: 'secret' };

describe('url', () => {
  it.each<[unknown, string[]]>([
    ['kafka', ['kafka:9092']],
    ['a:1,b:2', ['a:1', 'b:2']],
    [' a , b:2 ,', ['a:9092', 'b:2']],
    [
      ['a', 'b:2'],
      ['a:9092', 'b:2'],
    ],
    [
      ['a,b', 'a'],
      ['a:9092', 'b:9092'],
    ],
  ])('may be %o', (url, brokers) => {
    expect(relayOf({ url }).brokers).toEqual(brokers);
  });

  it.each([null, undefined, '', ' , ', [], [1], 9092])('may not be %o', (url) => {
    const refused = expect.objectContaining({
      code: 'KAFKA_PRODUCER_INITIALIZATION',
      name: 'KafkaProducerInitializationError',
      message: expect.stringMatching(/^url: /),
    });
    expect(() => scene.broker({ url } as never)).toThrow(refused);
  });

  it.each(['::1', 'a:b', 'a:99999', 'kafka://a:1'])('%s is told under its own name', (url) => {
    expect(() => scene.broker({ url })).toThrow(/^url\.0: /);
  });
});

describe('security_protocol', () => {
  it('decides what of TLS and login is used', async () => {
    const certificates = await makeCertificates(scene.folder);
    const { ca, clientCert: cert, clientKey: key } = certificates.files;
    const files = { ssl_cafile: ca, ssl_certfile: cert, ssl_keyfile: key };
    const kafka = (security_protocol: string, more = {}) =>
      (relayOf({ ...files, ...login, security_protocol, ...more }) as { kafka?: unknown }).kafka;
    const ssl = { caFile: ca, certFile: cert, keyFile: key, checkHostname: false };
    const sasl = { mechanism: 'PLAIN', username: 'rasa', password: 'secret' };
    expect(kafka('PLAINTEXT')).toBeUndefined();
    expect(kafka('ssl')).toEqual({ ssl });
    expect(kafka('Sasl_Plaintext')).toEqual({ sasl });
    expect(kafka('SASL_SSL')).toEqual({ ssl, sasl });
    const checked = { ssl: { ...ssl, checkHostname: true } };
    expect(kafka('SSL', { ssl_check_hostname: true })).toEqual(checked);
  });

  it('with half a certificate is refused', async () => {
    const { files } = await makeCertificates(scene.folder);
    const half = { security_protocol: 'SSL', ssl_certfile: files.clientCert };
    expect(() => scene.broker(half)).toThrow(/^ssl_keyfile: must be given/);
  });

  it('is SASL_PLAINTEXT with PLAIN by default', () => {
    const options = toRelayOptions(readSettings({ url: 'a', ...login }));
    expect(options).toMatchObject({ kafka: { sasl: { mechanism: 'PLAIN', username: 'rasa' } } });
  });

  it('that is none names itself and the allowed ones', () => {
    expect(() => scene.broker({ security_protocol: 'something' })).toThrow(
      expect.objectContaining({
        code: 'SECURITY_PROTOCOL_INVALID',
        message:
          'Invalid security_protocol ("SOMETHING"): ' +
          'must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL',
      }),
    );
  });
});

describe('sasl_mechanism', () => {
  const sasl = { security_protocol: 'SASL_PLAINTEXT', ...login };

  it.each(['PLAIN', 'SCRAM-SHA-256', 'scram-sha-512'])(
    '%s logs in with name and password',
    (sasl_mechanism) => {
      const mechanism = sasl_mechanism.toUpperCase();
      const kafka = { sasl: { mechanism, username: 'rasa', password: 'secret' } };
      expect(relayOf({ ...sasl, sasl_mechanism })).toMatchObject({ kafka });
    },
  );

  it('OAUTHBEARER and GSSAPI take their settings from relay.kafka.sasl', () => {
    const given = { security_protocol: 'SASL_PLAINTEXT', sasl_mechanism: 'OAUTHBEARER' };
    const relay = { kafka: { sasl: { tokenFile: '/run/token' }, compression: 'gzip' } };
    expect(relayOf({ ...given, relay })).toMatchObject({
      kafka: { sasl: { mechanism: 'OAUTHBEARER', tokenFile: '/run/token' }, compression: 'gzip' },
    });
    expect(relayOf({ ...given, sasl_mechanism: 'GSSAPI' })).toMatchObject({
      kafka: { sasl: { mechanism: 'GSSAPI' } },
    });
  });

  it('may have its password in a file', () => {
    const relay = { kafka: { sasl: { passwordFile: '/run/password' } } };
    const { kafka } = relayOf({ ...sasl, relay }) as { kafka?: unknown };
    expect(kafka).toEqual({
      sasl: { mechanism: 'PLAIN', username: 'rasa', passwordFile: '/run/password' },
    });
  });

  it.each<[string, object, RegExp]>([
    ['an unknown mechanism', { sasl_mechanism: 'KERBEROS' }, /^sasl_mechanism: "KERBEROS" is none/],
    ['no user name', { sasl_username: null }, /^sasl_username: must be given for PLAIN/],
    ['no password', { sasl_password: '' }, /^sasl_password: must be given for PLAIN/],
  ])('is refused with %s', (_, given, message) => {
    const code = 'KAFKA_PRODUCER_INITIALIZATION';
    expect(() => scene.broker({ ...sasl, ...given })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('a broker', () => {
  it.each<[string, object]>([
    ['PLAINTEXT', {}],
    ['SSL', {}],
    ['SASL_PLAINTEXT', login],
    ['SASL_SSL', { ...login, sasl_mechanism: 'SCRAM-SHA-512' }],
    ['sasl_ssl', { sasl_mechanism: 'GSSAPI' }],
  ])('of %s is created with %o', async (security_protocol, given) => {
    const broker = scene.broker({ security_protocol, ...given });
    await broker.start();
    expect(broker.relay?.status()).toMatchObject({ accepted: 0 });
  });

  it('may have its tokens from code', () => {
    const given = { security_protocol: 'SASL_SSL', sasl_mechanism: 'OAUTHBEARER' };
    expect(() => scene.broker(given)).toThrow(/^kafka\.sasl\.tokenEndpoint: must be given/);
    const hooks = { fetchKafkaToken: async () => 'token' };
    expect(() => scene.broker(given, hooks)).not.toThrow();
  });
});

describe('a setting that can never work', () => {
  const missing = '/nowhere/ca.pem';
  it.each<[string, object, RegExp]>([
    ['no such ssl_cafile', { ssl_cafile: missing }, /^ssl_cafile: ENOENT/],
    ['a folder', { ssl_cafile: '/' }, /^ssl_cafile: \/ is not a file/],
    ['no such ssl_certfile', { ssl_certfile: missing }, /^ssl_certfile: ENOENT/],
    ['no such ssl_keyfile', { ssl_keyfile: missing }, /^ssl_keyfile: ENOENT/],
    [
      'ssl_certfile that is no certificate',
      { ssl_certfile: import.meta.filename },
      /^ssl_certfile: .* is not PEM/,
    ],
    [
      'a topic with a space',
      { security_protocol: 'PLAINTEXT', topic: 'a b' },
      /^topic "a b" is not/,
    ],
    ['a number as topic list', { topic: ['a'] }, /^topic: must be text/],
    ['a flag that is no flag', { run_relay: 'perhaps' }, /^run_relay: must be true or false/],
    [
      'a loglevel of nobody',
      { loglevel: 'LOUD' },
      /^loglevel: must be a whole number, or CRITICAL/,
    ],
    ['Redis by HTTP', { security_protocol: 'PLAINTEXT', redis_url: 'http://r' }, /^redis_url: /],
    ['a list as relay', { relay: [] }, /^relay: must be options by name/],
    ['another file for the relay', { relay: { db: 'b.db' } }, /^relay\.db: is said by outbox_path/],
    ['other brokers', { relay: { brokers: ['b:1'] } }, /^relay\.brokers: is said by url/],
    ['a logger that is none', { logger: 'stdout' }, /^logger: must have debug, info/],
    ['a password that YAML took for a number', { sasl_password: 7 }, /^sasl_password: is a number/],
    ['a CA file without a certificate', { ssl_cafile: import.meta.filename }, /is not PEM/],
    [
      'an unknown option of the relay',
      { security_protocol: 'PLAINTEXT', relay: { pollMS: 1 } },
      /^pollMS: is not an option; pollMs is/,
    ],
  ])('is refused at creation: %s', (_, given, message) => {
    const code = 'KAFKA_PRODUCER_INITIALIZATION';
    expect(() => scene.broker({ security_protocol: 'SSL', ...given })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('defaults', () => {
  it('are the seed’s, with a file beside the bot, no Redis, 60 retries 5 s apart', () => {
    const settings = readSettings({ url: 'a', ...login });
    expect(settings).toMatchObject({ topic: 'rasa_core_events', partitionBySender: false });
    expect(settings).toMatchObject({ level: 40, runRelay: true, outboxPath: './rasa-events.db' });
    const options = toRelayOptions(settings);
    expect(options).toMatchObject({ retry: { retries: 60, delayMs: 5_000 } });
    expect(options).not.toHaveProperty('redis');
    expect(options).not.toHaveProperty('clientId');
  });

  it('give way to what is given', () => {
    const given = { client_id: 'bot', redis_url: 'redis://r', outbox_path: 'x.db' };
    expect(relayOf({ ...given, relay: { retry: { retries: 1 }, headers: false } })).toEqual({
      db: 'x.db',
      brokers: ['a:9092'],
      clientId: 'bot',
      redis: 'redis://r',
      retry: { retries: 1, delayMs: 5_000 },
      headers: false,
    });
  });
});

describe('fromEndpointConfig', () => {
  const endpoints = (text: string) => scene.write('endpoints.yml', text);
  const create = async (config: Parameters<typeof KafkaEventBroker.fromEndpointConfig>[0]) =>
    scene.keep(await KafkaEventBroker.fromEndpointConfig(config));

  it('gives null for no config, and for a file without event_broker', async () => {
    expect(await create(null)).toBeNull();
    expect(await create(undefined)).toBeNull();
    expect(await create(endpoints(`tracker_store:\n  url: \${NOT_SET}\n`))).toBeNull();
    expect(await create(endpoints(''))).toBeNull();
  });

  it('reads endpoints.yml, with variables of the environment', async () => {
    vi.stubEnv('BROKER', '127.0.0.1:1');
    vi.stubEnv('DB', scene.db);
    vi.stubEnv('RUN', 'false');
    const file = endpoints(`
      event_broker:
        type: Kafka
        url:
          - \${BROKER}
          - b-\${BROKER}
        security_protocol: plaintext
        topic: bot
        outbox_path: \${DB}
        run_relay: \${RUN}
        extra: 1
      tracker_store:
        password: \${NOT_SET}`);
    const broker = await create(file);
    expect(broker?.unknownOptions).toEqual(['extra']);
    expect(broker?.relay).toBeNull();
    await broker?.publish({ event: 'user' });
    expect(scene.rows()[0]).toMatchObject({ topic: 'bot' });
  });

  it('takes the mapping itself', async () => {
    const broker = await create({ ...scene.options, type: 'kafka', url: '127.0.0.1:1' });
    expect(broker?.relay?.status()).toMatchObject({ pending: 0 }); // started, and Kafka is away
    expect(broker?.isReady()).toBe(false);
  });

  it.each<[string, string, RegExp]>([
    [
      'another type',
      'event_broker: {type: pika, url: a}',
      /event_broker\.type: must be kafka, not "pika"/,
    ],
    ['no type', 'event_broker: {url: a}', /event_broker\.type: must be kafka; Rasa takes/],
    ['no mapping', 'event_broker: [a]', /event_broker: must hold options by name/],
    [
      'a variable that is not set',
      `event_broker: {type: kafka, sasl_password: "x\${NO_SUCH}"}`,
      /event_broker\.sasl_password: the environment variable NO_SUCH is not set/,
    ],
    ['a broken file', 'event_broker: {', /endpoints\.yml: /],
  ])('refuses %s', async (_, text, message) => {
    const refused = create(endpoints(text));
    await expect(refused).rejects.toMatchObject({ code: 'CONFIG_INVALID', message });
  });

  it('refuses a file that is not there', async () => {
    const refused = create(scene.path('none.yml'));
    await expect(refused).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: /ENOENT/ });
  });
});

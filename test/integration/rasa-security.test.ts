/** The event broker under the seed's own names against a broker that enforces each of them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KafkaEventBroker, type KafkaEventBrokerOptions } from '../../src/rasa/index.ts';
import { RasaScene } from '../support/rasa.ts';
import { SecureBrokers } from '../support/security/brokers.ts';
import type { ListenerName } from '../support/security/listeners.ts';
import { until } from '../support/wait.ts';

let brokers: SecureBrokers;
let scene: RasaScene;
let topic: string;

beforeAll(async () => {
  brokers = await SecureBrokers.start();
});
afterAll(() => brokers?.stop());
beforeEach(async () => {
  scene = new RasaScene();
  turns = 0;
  topic = `rasa-${crypto.randomUUID()}`;
  await brokers.kafka.createTopic(topic, 1);
});
afterEach(() => scene.close());

type Options = Partial<KafkaEventBrokerOptions>;

/** As a Rasa would be configured, with the names of the seed alone. */
function broker(listener: ListenerName, options: Options) {
  const { security_protocol: _, ...given } = scene.options;
  const url = brokers.address(listener);
  return scene.keep(new KafkaEventBroker({ ...given, url, topic, ...options }));
}

/** Events published in this test. */
let turns = 0;
const publish = (to: KafkaEventBroker) => {
  turns += 1;
  return to.publish({ sender_id: 'anna', turn: turns - 1 });
};

/** With what waited before, in order, as a consumer over PLAINTEXT reads it. */
async function delivers(listener: ListenerName, options: Options) {
  const started = broker(listener, options);
  await until('it is ready', () => started.isReady());
  await publish(started);
  const records = await brokers.kafka.consume(topic, turns);
  expect(records.map(({ value }) => String(value))).toEqual(
    Array.from({ length: turns }, (_, turn) => `{"sender_id": "anna", "turn": ${turn}}`),
  );
}

/** Publishes all the same; the events wait under the code, and no secret is in a log line. */
async function waits(listener: ListenerName, options: Options, code: string) {
  const started = broker(listener, options);
  await publish(started);
  const failures = () => started.relay?.status().lanes.map(({ failure }) => failure?.code);
  await until(code, () => failures()?.includes(code));
  await until('it is logged', () => JSON.stringify(scene.lines).includes(code));
  expect(started.isReady()).toBe(false);
  expect(started.relay?.status().pending).toBe(turns);
  const logged = JSON.stringify(scene.lines);
  if (options.sasl_password) expect(logged).not.toContain(options.sasl_password);
  await started.close({ deadlineMs: 1_000 });
}

const login = () => ({ sasl_username: brokers.username, sasl_password: brokers.password });
const wrong = () => ({ ...login(), sasl_password: crypto.randomUUID() });

describe('security_protocol SASL_PLAINTEXT, the default', () => {
  it('logs in with PLAIN, the default, by sasl_username and sasl_password', async () => {
    await waits('SASL_PLAINTEXT', wrong(), 'LOGIN_FAILED');
    await delivers('SASL_PLAINTEXT', login());
  });

  it('logs in with GSSAPI by the ticket that the environment has', async () => {
    const { credentialCache } = brokers.kerberos.files;
    process.env['KRB5CCNAME'] = `FILE:${credentialCache}`;
    try {
      await delivers('SASL_PLAINTEXT', { sasl_mechanism: 'GSSAPI' });
    } finally {
      delete process.env['KRB5CCNAME'];
    }
  });

  it('logs in with GSSAPI by a keytab of relay.kafka.sasl', async () => {
    const { staleKeytab, keytab } = brokers.kerberos.files;
    const by = (keytab: string) => {
      const relay = { ...scene.options.relay, kafka: { sasl: { keytab } } };
      return { sasl_mechanism: 'GSSAPI', relay };
    };
    await waits('SASL_PLAINTEXT', by(staleKeytab), 'LOGIN_FAILED');
    await delivers('SASL_PLAINTEXT', by(keytab));
  });
});

describe('security_protocol SASL_SSL', () => {
  it('logs in with sasl_mechanism SCRAM-SHA-512 where ssl_cafile verifies the broker', async () => {
    const protocol = { security_protocol: 'SASL_SSL', sasl_mechanism: 'SCRAM-SHA-512' };
    const { ca: ssl_cafile, otherCa } = brokers.files;
    const other = { ...protocol, ...login(), ssl_cafile: otherCa };
    await waits('SASL_SSL', other, 'TLS_UNTRUSTED');
    await waits('SASL_SSL', { ...protocol, ...wrong(), ssl_cafile }, 'LOGIN_FAILED');
    await delivers('SASL_SSL', { ...protocol, ...login(), ssl_cafile });
  });
});

describe('security_protocol SSL', () => {
  const ssl = () => ({ security_protocol: 'SSL', ssl_cafile: brokers.files.ca });

  it('shows ssl_certfile with ssl_keyfile to a broker that asks for them', async () => {
    const { clientCert: ssl_certfile, clientKey: ssl_keyfile } = brokers.files;
    await waits('SSL_MUTUAL', ssl(), 'TLS_CLIENT_REFUSED');
    await delivers('SSL_MUTUAL', { ...ssl(), ssl_certfile, ssl_keyfile });
  });

  it('looks at the certificate’s name with ssl_check_hostname, and not without', async () => {
    await waits('SSL_WRONG_HOST', { ...ssl(), ssl_check_hostname: true }, 'TLS_WRONG_HOST');
    await delivers('SSL_WRONG_HOST', ssl());
  });

  it('with ssl_check_hostname delivers to the right host', () =>
    delivers('SSL', { ...ssl(), ssl_check_hostname: true }));
});

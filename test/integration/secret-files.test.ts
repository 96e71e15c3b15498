/** Files of secrets and certificates that are not there: an outage that heals, and no crash. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Driver } from '../../src/sink/driver.ts';
import { createKafkaJsDriver } from '../../src/sink/kafkajs/driver.ts';
import { inspectKafka } from '../../src/sink/kafkajs/inspect.ts';
import type { BrokerSecurity, Tls } from '../../src/sink/security.ts';
import { freePort } from '../support/ports.ts';
import { Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

let scene: Scene;
let nowhere: string;
let passwordFile: string;
beforeEach(async () => {
  scene = new Scene();
  nowhere = `127.0.0.1:${await freePort()}`;
  passwordFile = join(scene.folder, 'password');
});
afterEach(() => scene.close());

const clientId = 'secrets';
const withPassword = (): BrokerSecurity => {
  const password = { file: passwordFile };
  return { tls: null, login: { mechanism: 'SCRAM-SHA-512', username: 'relay', password } };
};
const withCa = (text: string): BrokerSecurity => {
  const caFile = join(scene.folder, 'ca.pem');
  writeFileSync(caFile, text);
  const tls: Tls = {
    caFile,
    certFile: null,
    keyFile: null,
    keyPassword: null,
    checkHostname: true,
  };
  return { tls, login: null };
};

function driverFor(security: BrokerSecurity): Driver {
  const options = { brokers: [nowhere], clientId, clock: systemClock, security };
  const driver = createKafkaJsDriver({ ...options, createTopics: 'never' });
  scene.onClose(() => driver.close(1_000));
  return driver;
}

const record = {
  topic: 't',
  partition: 0,
  key: null,
  value: Buffer.from('v'),
  headers: [],
  timestampMs: 0,
};

describe('a secret’s file that cannot be read', () => {
  it('is an outage for questions and sends, until it can', async () => {
    const driver = driverFor(withPassword());
    const sender = driver.createSender('lane-0');
    const ask = () => driver.leaders([], 5_000);
    const unreadable = {
      kind: 'outage',
      code: 'SECRET_UNREADABLE',
      message: expect.stringContaining(passwordFile),
    };
    expect(await ask()).toMatchObject(unreadable);
    expect(await sender.send([record], 5_000)).toMatchObject(unreadable);
    writeFileSync(passwordFile, '\n');
    expect(await ask()).toMatchObject({
      ...unreadable,
      message: expect.stringMatching(/is empty$/),
    });
    writeFileSync(passwordFile, 'secret\n');
    expect(await ask()).toMatchObject({ kind: 'outage', code: 'ECONNREFUSED' });
    expect(await sender.send([record], 5_000)).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('is what the doctor finds', async () => {
    const security = withPassword();
    const question = { brokers: [nowhere], clientId, security, topics: [], deadlineMs: 5_000 };
    const answer = await inspectKafka({ ...question, clock: systemClock, signal: null });
    expect(answer).toMatchObject({ code: 'SECRET_UNREADABLE', connected: false });
  });

  it('is told by a running relay, loudly and once, and counted', async () => {
    writeFileSync(passwordFile, 'secret\n');
    const sasl = { mechanism: 'plain', username: 'relay', passwordFile } as const;
    const retry = { delayMs: 50 };
    const relay = scene.relay(nowhere, { kafka: { sasl }, retry });
    const told: { code: string; hint: string }[] = [];
    relay.on('loginFailed', (event) => told.push(event));
    await relay.start();
    rmSync(passwordFile);
    scene.enqueue(1);
    await until('three failed logins', () => relay.metrics().loginFailuresTotal >= 3);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ code: 'SECRET_UNREADABLE' });
    expect(relay.metrics()).toMatchObject({ deliveredTotal: 0, circuitOpen: 1 });
    expect(relay.status()).toMatchObject({ pending: 1 });
  });
});

describe('a certificate’s file', () => {
  it.each([
    ['is no PEM', 'nothing of the kind'],
    ['has no certificate in it', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('that %s is an outage under a code of its own', async (_, text) => {
    const outcome = await driverFor(withCa(text)).leaders([], 5_000);
    expect(outcome).toMatchObject({ kind: 'outage', code: 'TLS_FILE_INVALID' });
  });
});

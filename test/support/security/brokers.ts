/**
 * One real broker that offers every way of connecting, each on a listener of its own, and enforces
 * it; with the token server and the KDC that it trusts. Up in seconds, for one test file.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { KafkaBroker, type Listener } from '../kafka.ts';
import { until } from '../wait.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { Kdc } from './kdc.ts';
import {
  type BrokerSecrets,
  environmentOf,
  filesOf,
  hostName,
  type ListenerName,
  listenersOnFreePorts,
} from './listeners.ts';
import { TokenServer } from './token-server.ts';

interface Parts {
  readonly folder: string;
  readonly certificates: Certificates;
  readonly tokenServer: TokenServer;
  readonly kerberos: Kdc;
}

const username = 'relay';
const scrams = ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
type Scram = (typeof scrams)[number];

export class SecureBrokers {
  /** For what is not under test, over PLAINTEXT: topics, a consumer, kill and start. */
  readonly kafka: KafkaBroker;
  /** PEM files of authorities and of the client. */
  readonly files: Certificates['files'];
  readonly clientKeyPassword: string;
  /** Of PLAIN and both SCRAMs, at first. */
  readonly username = username;
  readonly password: string;
  readonly tokenServer: TokenServer;
  readonly kerberos: Kdc;
  /** For files of the test's own; gone with `stop`. */
  readonly folder: string;
  readonly #listeners: Record<ListenerName, Listener>;

  private constructor(
    parts: Parts,
    kafka: KafkaBroker,
    given: { readonly password: string; readonly listeners: Record<ListenerName, Listener> },
  ) {
    this.kafka = kafka;
    this.files = parts.certificates.files;
    this.clientKeyPassword = parts.certificates.clientKeyPassword;
    this.password = given.password;
    this.tokenServer = parts.tokenServer;
    this.kerberos = parts.kerberos;
    this.folder = parts.folder;
    this.#listeners = given.listeners;
  }

  static async start(): Promise<SecureBrokers> {
    const parts = await startParts();
    const password = randomUUID();
    let kafka: KafkaBroker | null = null;
    try {
      const listeners = await listenersOnFreePorts();
      const secrets = secretsOf(parts, password);
      kafka = await KafkaBroker.start({
        listeners: Object.values(listeners),
        env: environmentOf(secrets),
        files: filesOf(secrets),
        hostNames: [hostName],
      });
      const brokers = new SecureBrokers(parts, kafka, { password, listeners });
      await brokers.setScramPassword(password);
      return brokers;
    } catch (error) {
      await kafka?.stop();
      await stopParts(parts);
      throw error;
    }
  }

  /** `localhost:PORT`; every SASL listener but the `ONLY_…` ones offers all mechanisms. */
  address(listener: ListenerName): string {
    return `localhost:${this.#listeners[listener].port}`;
  }

  /** A SASL_PLAINTEXT listener on which this mechanism is not to be had. */
  addressWithout(mechanism: string): string {
    return this.address(mechanism === 'PLAIN' ? 'ONLY_SCRAM_SHA_512' : 'ONLY_PLAIN');
  }

  /** A file of the test's own, e.g. with a password; writing it again is a rotation. */
  write(name: string, text: string): string {
    writeFileSync(join(this.folder, name), text, { mode: 0o600 });
    return join(this.folder, name);
  }

  /** Gives the user another password for both SCRAMs; resolves when the broker asks for it. */
  async setScramPassword(password: string): Promise<void> {
    // The broker takes one of a user's in one request.
    await Promise.all(scrams.map((mechanism) => this.#setPassword(mechanism, password)));
    for (const mechanism of scrams) {
      await until('the broker knows it', () => this.#knows(mechanism, password));
    }
  }

  async #setPassword(mechanism: string, password: string): Promise<void> {
    const { container } = this.kafka;
    const java = ['java', '-Xmx128m', '-XX:TieredStopAtLevel=1', '-cp', '/opt/kafka/libs/*'];
    const server = ['--bootstrap-server', `localhost:${container.port}`];
    const config = `${mechanism}=[password=${password}]`;
    const change = ['--alter', '--add-config', config, '--entity-type', 'users'];
    const user = ['--entity-name', username];
    await container.exec(...java, 'kafka.admin.ConfigCommand', ...server, ...change, ...user);
  }

  async stop(): Promise<void> {
    await this.kafka.stop();
    const { folder, tokenServer, kerberos } = this;
    await stopParts({ folder, tokenServer, kerberos });
  }

  async #knows(mechanism: Scram, password: string): Promise<boolean> {
    const client = new Kafka({
      brokers: [this.address('SASL_PLAINTEXT')],
      sasl: { mechanism: mechanism.toLowerCase() as 'scram-sha-256', username, password },
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    });
    const admin = client.admin();
    try {
      await admin.connect();
      return true;
    } catch {
      return false; // asked again until the deadline
    } finally {
      await admin.disconnect().catch(() => {});
    }
  }
}

async function startParts(): Promise<Parts> {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-security-'));
  const kdc = Kdc.start(folder);
  kdc.catch(() => {}); // looked at below
  try {
    const certificates = await makeCertificates(folder);
    const tokenServer = await TokenServer.start(certificates.keystores.good);
    try {
      return { folder, certificates, tokenServer, kerberos: await kdc };
    } catch (error) {
      await tokenServer.stop();
      throw error;
    }
  } catch (error) {
    await kdc.then((started) => started.stop()).catch(() => {}); // then there is nothing to stop
    rmSync(folder, { recursive: true });
    throw error;
  }
}

async function stopParts(parts: Omit<Parts, 'certificates'>): Promise<void> {
  await parts.tokenServer.stop();
  await parts.kerberos.stop();
  rmSync(parts.folder, { recursive: true });
}

function secretsOf(
  { certificates, tokenServer, kerberos }: Parts,
  password: string,
): BrokerSecrets {
  return {
    keystores: certificates.keystores,
    caPem: certificates.caPem,
    username,
    password,
    keysUrl: tokenServer.keysUrl(hostName),
    principal: kerberos.brokerPrincipal,
    keytab: readFileSync(kerberos.files.brokerKeytab),
    kerberosConfig: readFileSync(kerberos.files.config),
  };
}

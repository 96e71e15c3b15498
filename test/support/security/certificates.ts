/**
 * Certificates for tests, made when they start and gone with them: an authority, one that nobody
 * trusts, good and bad server certificates, and a client's with an open and an encrypted key.
 */
import 'reflect-metadata'; // what @peculiar/x509 is built on
import { KeyObject, randomUUID, type webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const dayMs = 86_400_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly ca: string;
  /** An authority that has signed nothing here. */
  readonly otherCa: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** The same key, PKCS#8 under `clientKeyPassword`. */
  readonly encryptedClientKey: string;
  /** A client certificate of the other authority. */
  readonly strangerCert: string;
  readonly strangerKey: string;
}

/** PEM of key and certificate in one text, as Kafka's keystores of type PEM are. */
export interface ServerKeystores {
  /** For localhost and 127.0.0.1. */
  readonly good: string;
  /** Ended yesterday. */
  readonly expired: string;
  /** For another host. */
  readonly wrongHost: string;
}

export interface Certificates {
  readonly files: CertificateFiles;
  readonly clientKeyPassword: string;
  readonly keystores: ServerKeystores;
  readonly caPem: string;
}

interface Identity {
  readonly cert: string;
  readonly key: KeyObject;
  readonly signingKey: webcrypto.CryptoKey;
  readonly name: string;
}

interface Wanted {
  readonly name: string;
  /** `null`: signed by itself, an authority. */
  readonly issuer: Identity | null;
  readonly hosts?: x509.JsonGeneralNames;
  readonly untilMs?: number;
}

const local: x509.JsonGeneralNames = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' },
];
const elsewhere: x509.JsonGeneralNames = [{ type: 'dns', value: 'elsewhere.example' }];

/** @param folder gets the client's files */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const [ca, otherCa] = await Promise.all([
    make({ name: 'CN=outbox test authority', issuer: null }),
    make({ name: 'CN=some other authority', issuer: null }),
  ]);
  const untilMs = Date.now() - dayMs;
  const [good, expired, wrongHost, client, stranger] = await Promise.all([
    make({ name: 'CN=broker', issuer: ca, hosts: local }),
    make({ name: 'CN=broker, OU=expired', issuer: ca, hosts: local, untilMs }),
    make({ name: 'CN=broker, OU=elsewhere', issuer: ca, hosts: elsewhere }),
    make({ name: 'CN=relay', issuer: ca }),
    make({ name: 'CN=relay', issuer: otherCa }),
  ]);
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const clientKeyPassword = randomUUID();
  const files: CertificateFiles = {
    ca: write('ca.pem', ca.cert),
    otherCa: write('other-ca.pem', otherCa.cert),
    clientCert: write('client.pem', client.cert),
    clientKey: write('client.key', pemOf(client.key)),
    encryptedClientKey: write('client-encrypted.key', pemOf(client.key, clientKeyPassword)),
    strangerCert: write('stranger.pem', stranger.cert),
    strangerKey: write('stranger.key', pemOf(stranger.key)),
  };
  const keystore = ({ key, cert }: Identity) => `${pemOf(key)}${cert}\n${ca.cert}\n`;
  const keystores = {
    good: keystore(good),
    expired: keystore(expired),
    wrongHost: keystore(wrongHost),
  };
  return { files, clientKeyPassword, keystores, caPem: ca.cert };
}

async function make({ name, issuer, hosts, untilMs }: Wanted): Promise<Identity> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const extensions: x509.Extension[] = [new x509.BasicConstraintsExtension(issuer === null)];
  if (hosts !== undefined) extensions.push(new x509.SubjectAlternativeNameExtension(hosts));
  const certificate = await x509.X509CertificateGenerator.create({
    subject: name,
    issuer: issuer?.name ?? name,
    publicKey: keys.publicKey,
    signingKey: issuer?.signingKey ?? keys.privateKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 10 * dayMs),
    notAfter: new Date(untilMs ?? Date.now() + dayMs),
    extensions,
  });
  return {
    cert: certificate.toString('pem'),
    key: KeyObject.from(keys.privateKey),
    signingKey: keys.privateKey,
    name,
  };
}

function pemOf(key: KeyObject, passphrase?: string): string {
  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const encrypted = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.export({ ...pkcs8, ...encrypted }).toString();
}

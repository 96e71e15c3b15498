import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Exchange } from '../../../src/sink/kafkajs/exchange.ts';
import {
  ensureKerberos,
  type GssapiLogin,
  gssapiProvider,
  type KerberosClient,
  type KerberosLibrary,
} from '../../../src/sink/kafkajs/gssapi.ts';
import { FakeClock } from '../../support/clock.ts';

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

let folder: string;
let clock: FakeClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-gssapi-'));
  clock = new FakeClock();
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A library whose tickets are always good, and what it saw: credential caches, services. */
function fakeLibrary(layers = '\x01\x00\x00\x00') {
  const seen: { caches: unknown[]; asked: unknown[]; wrapped: string[] } = {
    caches: [],
    asked: [],
    wrapped: [],
  };
  const client: KerberosClient & { contextComplete: boolean } = {
    username: 'relay@REALM',
    contextComplete: false,
    async step(challenge) {
      if (challenge === '') return base64('ticket');
      this.contextComplete = true;
      return null;
    },
    unwrap: async () => base64(layers),
    async wrap(message) {
      seen.wrapped.push(Buffer.from(message, 'base64').toString('latin1'));
      return base64('wrapped');
    },
  };
  const library: KerberosLibrary = {
    async initializeClient(service, options) {
      seen.asked.push([service, options]);
      seen.caches.push(process.env['KRB5CCNAME']);
      return { ...client };
    },
  };
  return { library, seen };
}

/** A broker that answers with these, one after the other, and then refuses. */
function fakeBroker(...answers: string[]) {
  const sent: string[] = [];
  const connection = {
    host: 'broker',
    saslAuthenticate: async ({ request, response }: Exchange) => {
      const message = await request.encode();
      expect(message.readInt32BE()).toBe(message.length - 4);
      sent.push(message.subarray(4).toString());
      const answer = answers.shift();
      if (answer === undefined) throw new Error('refused');
      return response.parse(await response.decode(Buffer.from(`....${answer}`)));
    },
  };
  return { connection, sent };
}

function login(given: Partial<GssapiLogin> = {}): GssapiLogin {
  const none = { principal: null, keytab: null, credentialCache: null };
  return { mechanism: 'GSSAPI', service: 'kafka', ...none, ...given };
}

it('says what to install when the package is not there', () => {
  const absent = () => {
    throw new Error("Cannot find module 'kerberos'");
  };
  const missing = {
    code: 'KERBEROS_MISSING',
    hint: expect.stringContaining('npm install kerberos'),
    cause: { message: "Cannot find module 'kerberos'" },
  };
  const of = (act: () => unknown) => {
    try {
      return act();
    } catch (error) {
      return error;
    }
  };
  expect(of(() => ensureKerberos(absent))).toMatchObject(missing);
  expect(of(() => gssapiProvider(login(), { clock, load: absent }))).toMatchObject(missing);
  expect(ensureKerberos(() => fakeLibrary().library)).toBeUndefined();
});

it('agrees on no security layer, as whom the ticket is for', async () => {
  const { library, seen } = fakeLibrary();
  const { connection, sent } = fakeBroker('broker ticket', 'layers', '');
  const provider = gssapiProvider(login({ principal: 'relay' }), { clock, load: () => library });
  await provider(connection).authenticate();
  expect(seen.asked).toEqual([['kafka@broker', { principal: 'relay' }]]);
  expect(sent).toEqual(['ticket', '', 'wrapped']);
  expect(seen.wrapped).toEqual(['\x01\x00\x00\x00relay@REALM']);
});

it('does not pretend to encrypt for a broker that insists on it', async () => {
  const { library } = fakeLibrary('\x06\x00\xff\xff');
  const { connection, sent } = fakeBroker('broker ticket', 'layers', '');
  const provider = gssapiProvider(login(), { clock, load: () => library });
  await expect(provider(connection).authenticate()).rejects.toMatchObject({
    code: 'LOGIN_FAILED',
    message: expect.stringContaining('use TLS'),
  });
  expect(sent).toEqual(['ticket', '']);
});

it('keeps tickets of a keytab until it changes, or a broker has refused them', async () => {
  const keytab = join(folder, 'keytab');
  writeFileSync(keytab, 'one');
  const { library, seen } = fakeLibrary();
  // Each client of the relay has a provider of its own.
  const provider = () => gssapiProvider(login({ keytab }), { clock, load: () => library });
  const good = () => fakeBroker('broker ticket', 'layers', '').connection;
  const enter = () => provider()(good()).authenticate();
  const bounce = () => provider()(fakeBroker('broker ticket').connection).authenticate();
  await enter();
  await enter();
  writeFileSync(keytab, 'another');
  await enter();
  const [first, second, third] = seen.caches;
  expect(first).toMatch(/^MEMORY:/);
  expect(second).toBe(first);
  expect(third).not.toBe(first);
  await expect(bounce()).rejects.toThrow('refused');
  await expect(bounce()).rejects.toThrow('refused');
  await expect(bounce()).rejects.toThrow('refused');
  const [, , , fourth, fifth, sixth] = seen.caches;
  expect(fourth).toBe(third);
  expect(fifth).not.toBe(third);
  expect(sixth).toBe(fifth); // not more often than once a minute
  await clock.advance(60_000);
  await expect(bounce()).rejects.toThrow('refused');
  await enter();
  expect(seen.caches.at(-1)).not.toBe(fifth);
});

it('logs in for no connection that was given up while another had the turn', async () => {
  const { library, seen } = fakeLibrary();
  const kdc = Promise.withResolvers<void>();
  const slow: KerberosLibrary = {
    initializeClient: (...args) => kdc.promise.then(() => library.initializeClient(...args)),
  };
  const enter = () =>
    gssapiProvider(login(), { clock, load: () => slow })(
      fakeBroker('broker ticket', 'layers', '').connection,
    ).authenticate();
  const [first, second] = [enter(), enter()];
  await clock.advance(10_001);
  kdc.resolve();
  await first;
  await expect(second).rejects.toMatchObject({ code: 'LOGIN_FAILED' });
  expect(seen.asked).toHaveLength(1);
  await expect(enter()).resolves.toBeUndefined();
});

it('leads to the credential cache, and to nothing when none is named', async () => {
  const { library, seen } = fakeLibrary();
  const enter = (given: Partial<GssapiLogin>) => {
    const provider = gssapiProvider(login(given), { clock, load: () => library });
    return provider(fakeBroker('broker ticket', 'layers', '').connection).authenticate();
  };
  await enter({ credentialCache: '/run/cache' });
  await enter({ credentialCache: 'KCM:0' });
  await enter({});
  expect(seen.caches).toEqual(['FILE:/run/cache', 'KCM:0', process.env['KRB5CCNAME']]);
});

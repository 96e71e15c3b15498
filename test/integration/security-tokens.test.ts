/** Each source of OAUTHBEARER tokens through a relay: what keeps it out, and what mends it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRelay } from '../../src/index.ts';
import { allDelivered } from '../support/scene.ts';
import { SecureBrokers } from '../support/security/brokers.ts';
import { sessionMs } from '../support/security/listeners.ts';
import type { TokenOptions } from '../support/security/token-server.ts';
import { delivers, isKeptOut, Watched, type Way } from '../support/security/watched.ts';
import { until } from '../support/wait.ts';

let brokers: SecureBrokers;

beforeAll(async () => {
  brokers = await SecureBrokers.start();
});
beforeEach(() => brokers.tokenServer.refuse(null));
afterAll(() => brokers?.stop());

const protocols = ['SASL_PLAINTEXT', 'SASL_SSL'] as const;
type Protocol = (typeof protocols)[number];
type Sasl = NonNullable<NonNullable<Way['kafka']>['sasl']>;

function over(protocol: Protocol, sasl: Omit<Sasl, 'mechanism'> = {}): Way {
  const ssl = protocol === 'SASL_SSL' ? { ssl: { caFile: brokers.files.ca } } : {};
  const kafka = { ...ssl, sasl: { mechanism: 'OAUTHBEARER' as const, ...sasl } };
  return { at: brokers.address(protocol), kafka };
}

describe.each(protocols)('OAUTHBEARER over %s', (protocol) => {
  const endpoint = (more: Omit<Sasl, 'mechanism'> = {}) => {
    const { url: tokenEndpoint, clientId } = brokers.tokenServer;
    return over(protocol, { tokenEndpoint, clientId, ...more });
  };

  it('gets tokens from an endpoint by client credentials, with its scope', async () => {
    const { tokenServer } = brokers;
    const { issued } = tokenServer;
    const scope = `kafka-${protocol}`;
    await delivers(brokers, endpoint({ clientSecret: tokenServer.clientSecret, scope }));
    expect(tokenServer.issued).toBeGreaterThan(issued);
    expect(tokenServer.lastScope).toBe(scope);
  });

  it('is kept out by a wrong client secret, until its file is right', async () => {
    const { clientSecret } = brokers.tokenServer;
    const wrong = crypto.randomUUID();
    const clientSecretFile = brokers.write('client-secret', `${wrong}\n`);
    await isKeptOut(brokers, endpoint({ clientSecretFile }), {
      code: 'TOKEN_UNAVAILABLE',
      mend: () => brokers.write('client-secret', `${clientSecret}\n`),
      secrets: [wrong, clientSecret, Buffer.from(`relay:${wrong}`).toString('base64')],
    });
  });

  it('is kept out while the endpoint refuses, and let in when it does not', async () => {
    const { tokenServer } = brokers;
    const { clientSecret } = tokenServer;
    await isKeptOut(brokers, endpoint({ clientSecret }), {
      code: 'TOKEN_UNAVAILABLE',
      before: () => tokenServer.refuse(503),
      mend: () => tokenServer.refuse(null),
      secrets: [clientSecret],
    });
  });

  it('asks an endpoint over TLS only when tokenCaFile verifies it', async () => {
    const { secureUrl: tokenEndpoint, clientSecret } = brokers.tokenServer;
    const { ca, otherCa } = brokers.files;
    const tokenCaFile = brokers.write('token-ca.pem', readFileSync(otherCa, 'utf8'));
    await isKeptOut(brokers, endpoint({ tokenEndpoint, clientSecret, tokenCaFile }), {
      code: 'TOKEN_UNAVAILABLE',
      mend: () => copyFileSync(ca, tokenCaFile),
      secrets: [clientSecret],
    });
  });

  it.each<[string, TokenOptions]>([
    ['forged', { forged: true }],
    ['for another audience', { audience: 'another' }],
    ['over', { lifetimeSeconds: -1 }],
  ])('is kept out by a token file whose token is %s, until it is replaced', async (_, options) => {
    const { tokenServer } = brokers;
    const bad = await tokenServer.sign(options);
    const good = await tokenServer.sign();
    const tokenFile = brokers.write('token', bad);
    await isKeptOut(brokers, over(protocol, { tokenFile }), {
      code: 'LOGIN_FAILED',
      mend: () => brokers.write('token', `${good}\n`),
      secrets: [bad, good],
    });
  });

  it('is kept out while the token file is gone, and let in when it is back', async () => {
    const token = await brokers.tokenServer.sign();
    const tokenFile = brokers.write('vanishing-token', token);
    await isKeptOut(brokers, over(protocol, { tokenFile }), {
      code: 'SECRET_UNREADABLE',
      before: () => rmSync(tokenFile),
      mend: () => brokers.write('vanishing-token', token),
      secrets: [token],
    });
  });

  it('is kept out while the callback has no token, and let in when it has one', async () => {
    let token: string | null = null;
    const fetchKafkaToken = async () => {
      if (token === null) throw new Error('no credentials');
      return token;
    };
    const good = await brokers.tokenServer.sign();
    await isKeptOut(
      brokers,
      { ...over(protocol), fetchKafkaToken },
      {
        code: 'TOKEN_UNAVAILABLE',
        mend: () => {
          token = good;
        },
        secrets: [good],
      },
    );
  });
});

describe('fetchKafkaToken', () => {
  /** As the signer of AWS MSK IAM gives it: the token and when it ends. */
  async function generateAuthToken({ region }: { readonly region: string }) {
    const token = await brokers.tokenServer.sign({ subject: `role-of-${region}` });
    return { token, expiryTime: Date.now() + 60_000 };
  }

  it('takes a signer like that of AWS MSK IAM', () =>
    delivers(brokers, {
      ...over('SASL_SSL'),
      fetchKafkaToken: async () => (await generateAuthToken({ region: 'eu-west-1' })).token,
    }));

  it('must be given when nothing else has tokens', async () => {
    const { at, kafka } = over('SASL_SSL');
    const create = () => createRelay({ db: ':memory:', brokers: [at], ...(kafka && { kafka }) });
    expect(create).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(create).toThrow(/tokenEndpoint: must be given, or tokenFile, or fetchKafkaToken/);
  });
});

describe('a token file', () => {
  it('that is not there is told at creation', async () => {
    const tokenFile = join(brokers.folder, 'nowhere');
    const { at, kafka } = over('SASL_SSL', { tokenFile });
    const create = () => createRelay({ db: ':memory:', brokers: [at], ...(kafka && { kafka }) });
    expect(create).toThrow('kafka.sasl.tokenFile: must be a file that can be read');
  });
});

/** Counts connections of this process to a port from now on, and those that the other side ends. */
function countConnections(port: number) {
  const counted = { connections: 0, ended: 0 };
  const onSocket = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    socket.once('connect', () => {
      if (socket.remotePort !== port) return;
      counted.connections += 1;
      // The relay ends idle ones itself, with an error that has no code.
      socket.once('end', () => {
        if (!socket.writableEnded) counted.ended += 1;
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== undefined) counted.ended += 1;
      });
    });
  };
  subscribe('net.client.socket', onSocket);
  return { counted, end: () => unsubscribe('net.client.socket', onSocket) };
}

describe('a session that ends (KIP-368)', () => {
  it('is renewed with a fresh token on the same connection, while events flow', async () => {
    const { tokenServer } = brokers;
    const { url: tokenEndpoint, clientId, clientSecret } = tokenServer;
    const way = over('SASL_PLAINTEXT', { tokenEndpoint, clientId, clientSecret });
    const { counted, end } = countConnections(Number(way.at.split(':')[1]));
    const watched = new Watched();
    const { scene } = watched;
    try {
      const failures: unknown[] = [];
      scene.enqueue(10);
      const relay = watched.relay(way);
      relay.on('laneFailed', ({ failure }) => failures.push(failure));
      await relay.start();
      await scene.drained(relay);
      const { issued } = tokenServer;
      const startMs = performance.now();
      await until('two sessions are over', async () => {
        scene.enqueue(5);
        await scene.drained(relay);
        return performance.now() - startMs > 2 * sessionMs;
      });
      // One that is ended by the broker would be made again by the client, without a failure.
      expect(counted).toEqual({ connections: expect.any(Number), ended: 0 });
      expect(counted.connections).toBeGreaterThan(0);
      expect(tokenServer.issued).toBeGreaterThanOrEqual(issued + 2);
      expect(failures).toEqual([]);
      expect(await scene.account(brokers.kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
      watched.expectUnsaid([clientSecret]);
    } finally {
      end();
      await scene.close();
    }
  });
});

/** A token endpoint that is a real HTTP server: what it is asked, and what its answers mean. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classify } from '../../src/sink/classify.ts';
import type { TokenSource } from '../../src/sink/security.ts';
import { fetchToken } from '../../src/sink/token.ts';
import { freePort } from '../support/ports.ts';

type Endpoint = Extract<TokenSource, { kind: 'endpoint' }>;

let server: Server;
let endpoint: Endpoint;
let asked: { method: string; headers: IncomingMessage['headers']; body: string }[];
let answer: (response: ServerResponse) => void;

beforeEach(async () => {
  asked = [];
  answer = (response) => response.end(JSON.stringify({ access_token: 'abc.def', expires_in: 60 }));
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', headers } = request;
    asked.push({ method, headers, body: Buffer.concat(chunks).toString() });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  endpoint = {
    kind: 'endpoint',
    url: `http://127.0.0.1:${port}/token?tenant=hidden`,
    clientId: 'relay',
    clientSecret: { value: 'hidden/secret' },
    scope: null,
    caFile: null,
  };
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const failure = (source: TokenSource) =>
  fetchToken(source).then(
    () => null,
    (error: unknown) => {
      const { kind, code, message } = classify(error);
      expect(message).not.toContain('hidden');
      return { kind, code, message };
    },
  );
const unavailable = (message: unknown) => ({ kind: 'outage', code: 'TOKEN_UNAVAILABLE', message });

describe('client credentials', () => {
  it('are asked for with the id and the secret, form-encoded, in the header', async () => {
    expect(await fetchToken({ ...endpoint, scope: 'kafka write' })).toBe('abc.def');
    const [request] = asked;
    expect(request?.method).toBe('POST');
    expect(request?.body).toBe('grant_type=client_credentials&scope=kafka+write');
    const [kind, login = ''] = request?.headers.authorization?.split(' ') ?? [];
    expect(kind).toBe('Basic');
    expect(Buffer.from(login, 'base64').toString()).toBe('relay:hidden%2Fsecret');
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
  });

  it('are asked for each time', async () => {
    await fetchToken(endpoint);
    await fetchToken(endpoint);
    expect(asked).toHaveLength(2);
    expect(asked[0]?.body).toBe('grant_type=client_credentials');
  });
});

describe('an endpoint without a token', () => {
  const said = 'answers with status';

  it('is told by its status and the code of RFC 6749, not by its text', async () => {
    answer = (response) => {
      response.statusCode = 401;
      response.end(JSON.stringify({ error: 'invalid_client', error_description: 'hidden' }));
    };
    expect(await failure(endpoint)).toEqual(
      unavailable(expect.stringMatching(new RegExp(`${said} 401 \\(invalid_client\\)$`))),
    );
  });

  it.each([
    [200, 'not JSON: hidden', `${said} 200 without an access_token`],
    [200, '{"access_token": 7}', `${said} 200 without an access_token`],
    [200, '{"access_token": "two words"}', 'is not a token'],
    [500, '{"error": "hidden secrets!"}', `${said} 500`],
    [302, '{"access_token": "abc"}', `${said} 302`],
  ])('and with %i %s: it says so', async (status, body, message) => {
    answer = (response) => {
      response.statusCode = status;
      response.setHeader('location', '/elsewhere');
      response.end(body);
    };
    expect(await failure(endpoint)).toEqual(unavailable(expect.stringContaining(message)));
    expect(asked).toHaveLength(1);
  });

  it('and that breaks off, sends too much or is not there is an outage too', async () => {
    answer = (response) => response.destroy();
    expect(await failure(endpoint)).toEqual(unavailable(expect.stringContaining('ECONNRESET')));
    answer = (response) => response.end('x'.repeat(1_048_577));
    expect(await failure(endpoint)).toEqual(unavailable(expect.stringContaining('too long')));
    const url = `http://127.0.0.1:${await freePort()}/`;
    expect(await failure({ ...endpoint, url })).toEqual(
      unavailable(expect.stringContaining('ECONNREFUSED')),
    );
  });

  it('and that never answers is given up', async () => {
    answer = () => {};
    expect(await failure(endpoint)).toEqual(unavailable(expect.stringContaining('4000 ms')));
  });
});

it('a secret that cannot be read now is an outage under its own code', async () => {
  const clientSecret = { file: '/nowhere/secret' };
  expect(await failure({ ...endpoint, clientSecret })).toMatchObject({
    kind: 'outage',
    code: 'SECRET_UNREADABLE',
    message: expect.stringContaining('/nowhere/secret'),
  });
  expect(asked).toEqual([]);
});

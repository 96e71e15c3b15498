/**
 * An OAuth server of the test's own: the token endpoint for client credentials, and the keys by
 * which the broker checks what it has signed. It listens on all addresses, because the broker comes
 * from its container.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export const audience = 'kafka';
export const issuer = 'https://tokens.example';

const keyId = 'one';
type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

/** What one token is like; the defaults are what the broker accepts. */
export interface TokenOptions {
  readonly subject?: string;
  readonly audience?: string;
  readonly lifetimeSeconds?: number;
  /** Signed by a key that the broker does not know. */
  readonly forged?: boolean;
}

export class TokenServer {
  readonly clientId = 'relay';
  readonly clientSecret = crypto.randomUUID();
  /** Of the tokens that are given out from now on. */
  lifetimeSeconds = 60;
  /** Tokens given out by the endpoint so far. */
  issued = 0;
  /** Requests for a token so far, refused ones too. */
  asked = 0;
  /** The scope of the last request. */
  lastScope: string | null = null;
  readonly #keys: { readonly good: PrivateKey; readonly forger: PrivateKey };
  readonly #jwks: string;
  readonly #plain: Server;
  readonly #secure: Server;
  #refusal: number | null = null;

  private constructor(
    keys: { readonly good: PrivateKey; readonly forger: PrivateKey },
    jwks: string,
    keystore: string,
  ) {
    this.#keys = keys;
    this.#jwks = jwks;
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#answer(request, response);
    this.#plain = createServer(answer);
    this.#secure = createSecureServer({ key: keystore, cert: keystore }, answer);
  }

  /** @param keystore PEM of the key and certificate of its HTTPS side */
  static async start(keystore: string): Promise<TokenServer> {
    const [good, forger] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')]);
    const key = { ...(await exportJWK(good.publicKey)), kid: keyId, alg: 'RS256', use: 'sig' };
    const keys = { good: good.privateKey, forger: forger.privateKey };
    const server = new TokenServer(keys, JSON.stringify({ keys: [key] }), keystore);
    await Promise.all([listen(server.#plain), listen(server.#secure)]);
    return server;
  }

  /** The token endpoint. */
  get url(): string {
    return `http://127.0.0.1:${portOf(this.#plain)}/token`;
  }

  /** The same over TLS. */
  get secureUrl(): string {
    return `https://localhost:${portOf(this.#secure)}/token`;
  }

  /** Where a broker that knows this machine by that name finds the keys. */
  keysUrl(host: string): string {
    return `http://${host}:${portOf(this.#plain)}/keys`;
  }

  /** Answers requests for a token with this status from now on; `null`: gives them out again. */
  refuse(status: number | null): void {
    this.#refusal = status;
  }

  /** A token that did not come from the endpoint, as for a file or a callback. */
  sign(options: TokenOptions = {}): Promise<string> {
    const { lifetimeSeconds = this.lifetimeSeconds, forged = false } = options;
    const nowSeconds = Math.floor(Date.now() / 1_000);
    return new SignJWT({ scope: this.lastScope ?? 'kafka' })
      .setProtectedHeader({ alg: 'RS256', kid: keyId, typ: 'JWT' })
      .setSubject(options.subject ?? this.clientId)
      .setIssuer(issuer)
      .setAudience(options.audience ?? audience)
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + lifetimeSeconds)
      .sign(forged ? this.#keys.forger : this.#keys.good);
  }

  async stop(): Promise<void> {
    for (const server of [this.#plain, this.#secure]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = (status: number, body: string) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    if (request.url === '/keys') {
      reply(200, this.#jwks);
      return;
    }
    const form = new URLSearchParams(await textOf(request));
    this.asked += 1;
    if (request.method !== 'POST' || request.url !== '/token') reply(404, '{}');
    else if (this.#refusal !== null) reply(this.#refusal, '{"error":"temporarily_unavailable"}');
    else if (!this.#knows(request.headers.authorization)) reply(401, '{"error":"invalid_client"}');
    else if (form.get('grant_type') !== 'client_credentials') {
      reply(400, '{"error":"unsupported_grant_type"}');
    } else {
      this.issued += 1;
      this.lastScope = form.get('scope');
      const token = { access_token: await this.sign(), expires_in: this.lifetimeSeconds };
      reply(200, JSON.stringify({ ...token, token_type: 'Bearer' }));
    }
  }

  #knows(authorization: string | undefined): boolean {
    const pair = `${encodeURIComponent(this.clientId)}:${encodeURIComponent(this.clientSecret)}`;
    const wanted = Buffer.from(`Basic ${Buffer.from(pair).toString('base64')}`);
    const given = Buffer.from(authorization ?? '');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '0.0.0.0', resolve);
  });
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

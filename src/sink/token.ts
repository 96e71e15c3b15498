/**
 * Tokens for OAUTHBEARER: from an OIDC token endpoint, a file, or the application. Nothing is kept
 * between logins, so that a revoked or rotated token is not used again.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setTimeout as timeout } from 'node:timers/promises';
import { LoginFault } from './login-fault.ts';
import { readBytes, readSecret } from './secrets.ts';
import type { TokenSource } from './security.ts';

/** Below the time that the relay gives a question, so that this reason is told and not its. */
const endpointTimeoutMs = 4_000;
/** A token with many claims has some kilobytes. */
const answerBytesMax = 1_048_576;

type Endpoint = Extract<TokenSource, { kind: 'endpoint' }>;

/** @throws (rejects with) TOKEN_UNAVAILABLE, SECRET_UNREADABLE */
export async function fetchToken(source: TokenSource): Promise<string> {
  const token = (await tokenFrom(source)).trim();
  // Anything else could end the field of the login message that it is put into.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw unavailable(`what the ${names[source.kind]} gives is not a token`);
}

const names = { endpoint: 'token endpoint', file: 'token file', callback: 'token callback' };

async function tokenFrom(source: TokenSource): Promise<string> {
  if (source.kind === 'file') return readBytes(source.file, 'kafka.sasl.tokenFile').toString();
  if (source.kind === 'endpoint') return askEndpoint(source);
  const late = new AbortController();
  try {
    const gone = timeout(endpointTimeoutMs, null, { ref: false, signal: late.signal });
    const token = await Promise.race([source.fetchToken(), gone]);
    if (token === null) throw new Error(`no answer within ${endpointTimeoutMs} ms`);
    return String(token);
  } catch (error) {
    const reason = error instanceof Error ? error.message : typeof error;
    throw unavailable(`the token callback failed: ${reason}`);
  } finally {
    late.abort();
  }
}

async function askEndpoint(endpoint: Endpoint): Promise<string> {
  const { origin } = new URL(endpoint.url); // without a user or a query
  const answer = await post(endpoint).catch((error: unknown) => {
    if (error instanceof LoginFault) throw error;
    throw unavailable(`the token endpoint ${origin} does not answer: ${reasonOf(error)}`);
  });
  const fields = parse(answer.text);
  const token = fields['access_token'];
  if (answer.status === 200 && typeof token === 'string') return token;
  const said = answer.status === 200 ? ' without an access_token' : codeOf(fields['error']);
  throw unavailable(`the token endpoint ${origin} answers with status ${answer.status}${said}`);
}

/** The error code of RFC 6749 and nothing else: a body may quote what was sent. */
function codeOf(error: unknown): string {
  return typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : '';
}

function reasonOf(error: unknown): string {
  const { code, message, name } = error as { code?: unknown; message?: string; name?: string };
  if (name === 'TimeoutError' || name === 'AbortError') return `${endpointTimeoutMs} ms are over`;
  return typeof code === 'string' ? `${code}: ${message}` : String(message);
}

function parse(text: string): Record<string, unknown> {
  try {
    const fields: unknown = JSON.parse(text);
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {};
  } catch {
    return {}; // told by what is missing
  }
}

/** One request of client credentials. A redirect is not followed: it would take the secret. */
function post({ url, clientId, clientSecret, scope, caFile }: Endpoint): Promise<Answer> {
  const secret = readSecret(clientSecret, 'kafka.sasl.clientSecretFile');
  // RFC 6749, 2.3.1: both are form-encoded before they are joined.
  const login = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`;
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scope !== null) form.set('scope', scope);
  const headers = {
    accept: 'application/json',
    authorization: `Basic ${Buffer.from(login).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(Buffer.byteLength(form.toString())),
  };
  const ca = caFile === null ? {} : { ca: readBytes(caFile, 'kafka.sasl.tokenCaFile') };
  const signal = AbortSignal.timeout(endpointTimeoutMs);
  const options = { method: 'POST', headers, signal, agent: false, ...ca } as const;
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerBytesMax) sent.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
      });
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(form.toString());
  });
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function unavailable(message: string): LoginFault {
  return new LoginFault('TOKEN_UNAVAILABLE', message);
}

/** Logging in through kafkajs: what is thrown when it fails, and what is sent. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { classify } from '../../../src/sink/classify.ts';
import { type LoginProvider, listened, saslOf } from '../../../src/sink/kafkajs/login.ts';

const nowhere = { host: 'kafka', port: 9092, logger: null };
const refused = Object.assign(new Error('Invalid username or password'), { code: 58 });
const wrapped = new Error('SASL PLAIN authentication failed: text alone');

/** Does as kafkajs' own: one exchange, and an error that has only the text of the first one. */
const likeKafkaJs: LoginProvider = ({ saslAuthenticate }) => ({
  authenticate: () =>
    saslAuthenticate({ request: { encode: async () => Buffer.alloc(0) } }).then(
      () => {},
      () => {
        throw wrapped;
      },
    ),
});

describe('a provider that is listened to', () => {
  const login = (saslAuthenticate: () => Promise<unknown>, provider = likeKafkaJs) =>
    listened(provider)({ ...nowhere, saslAuthenticate }).authenticate();

  it('throws what the broker said', async () => {
    await expect(login(() => Promise.reject(refused))).rejects.toBe(refused);
  });

  it('throws its own reason as a failed login when the exchange went well', async () => {
    const suspicious: LoginProvider = (input) => ({
      authenticate: async () => {
        await likeKafkaJs(input).authenticate();
        throw wrapped;
      },
    });
    const { message } = wrapped;
    const reason = { name: 'LoginFault', code: 'LOGIN_FAILED', message };
    await expect(login(async () => {}, suspicious)).rejects.toMatchObject(reason);
    await expect(login(async () => {})).resolves.toBeUndefined();
  });

  it('is put in the place of the one that kafkajs stores', async () => {
    const password = { value: 'secret' };
    const sasl = saslOf({ mechanism: 'PLAIN', username: 'relay', password }, systemClock);
    expect(sasl).toMatchObject({ mechanism: 'PLAIN', username: 'relay', password: 'secret' });
    expect(sasl.authenticationProvider).toBeUndefined(); // so that kafkajs puts its own there
    sasl.authenticationProvider = likeKafkaJs;
    const saslAuthenticate = () => Promise.reject(refused);
    const stored = sasl.authenticationProvider({ ...nowhere, saslAuthenticate });
    await expect(stored.authenticate()).rejects.toBe(refused);
  });
});

describe('OAUTHBEARER', () => {
  /** Messages that were sent; the broker answers with `answers`, one each. */
  async function login(token: () => Promise<string>, answers: (Buffer | Error)[]) {
    const sent: string[] = [];
    const source = { kind: 'callback', fetchToken: token } as const;
    const options = saslOf({ mechanism: 'OAUTHBEARER', token: source }, systemClock);
    const { authenticationProvider: provider } = options;
    const outcome = await provider?.({
      ...nowhere,
      saslAuthenticate: async ({ request, response }) => {
        const bytes = await request.encode();
        expect(bytes.readInt32BE(0)).toBe(bytes.length - 4);
        sent.push(bytes.subarray(4).toString());
        const answer = answers.shift() ?? Buffer.alloc(0);
        if (answer instanceof Error) throw answer;
        const size = Buffer.alloc(4);
        size.writeInt32BE(answer.length);
        return response?.parse(await response.decode(Buffer.concat([size, answer])));
      },
    })
      .authenticate()
      .then(
        () => null,
        (error: unknown) => classify(error),
      );
    return { sent, outcome };
  }

  it('sends the token once when it is taken', async () => {
    const { sent, outcome } = await login(async () => 'abc.def', []);
    expect(sent).toEqual(['n,,\u0001auth=Bearer abc.def\u0001\u0001']);
    expect(outcome).toBeNull();
  });

  it('ends a refusal as RFC 7628 wants it, and is told the broker’s reason', async () => {
    const status = Buffer.from('{"status":"invalid_token"}');
    const { sent, outcome } = await login(async () => 'abc', [status, refused]);
    expect(sent[1]).toBe('\u0001');
    expect(outcome).toMatchObject({ kind: 'outage', code: 'LOGIN_FAILED' });
    const silent = await login(async () => 'abc', [status]);
    expect(silent.outcome).toMatchObject({
      code: 'LOGIN_FAILED',
      message: 'the broker refuses the token: {"status":"invalid_token"}',
    });
  });

  it.each(['', 'two words', 'a\u0001auth=Bearer b', 'ümlaut'])(
    'does not send %o',
    async (token) => {
      const { sent, outcome } = await login(async () => token, []);
      expect(sent).toEqual([]);
      expect(outcome).toMatchObject({
        code: 'TOKEN_UNAVAILABLE',
        message: 'what the token callback gives is not a token',
      });
    },
  );

  it('tells why the application has none', async () => {
    const { outcome } = await login(() => Promise.reject(new Error('no role')), []);
    expect(outcome).toMatchObject({
      kind: 'outage',
      code: 'TOKEN_UNAVAILABLE',
      message: 'the token callback failed: no role',
    });
  });
});

/** Tokens from the application: one that never comes must not keep a login for ever. */
import { expect, it } from 'vitest';
import { fetchToken } from '../../../src/sink/token.ts';

it('a token callback that never settles is told in time', { timeout: 20_000 }, async () => {
  const never = () => new Promise<string>(() => {});
  await expect(fetchToken({ kind: 'callback', fetchToken: never })).rejects.toMatchObject({
    code: 'TOKEN_UNAVAILABLE',
    message: 'the token callback failed: no answer within 4000 ms',
  });
});

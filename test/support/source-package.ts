/** With `--import`: the package's name leads to its source, as to the installed package. */
import { registerHooks } from 'node:module';

const sources: Readonly<Record<string, string>> = {
  'outbox-relay': new URL('../../src/index.ts', import.meta.url).href,
  'outbox-relay/inbox': new URL('../../src/inbox/index.ts', import.meta.url).href,
  'outbox-relay/testing': new URL('../../src/testing/index.ts', import.meta.url).href,
};

registerHooks({
  resolve: (name, context, next) => next(sources[name] ?? name, context),
});

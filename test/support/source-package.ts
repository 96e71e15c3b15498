/** With `--import`: the package's name leads to its source, as to the installed package. */
import { registerHooks } from 'node:module';

const source = new URL('../../src/index.ts', import.meta.url).href;

registerHooks({
  resolve: (name, context, next) => next(name === 'outbox-relay' ? source : name, context),
});

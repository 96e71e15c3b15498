import { expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import type { optionsSchema } from '../../../src/config/options.ts';
import type { RelayOptions } from '../../../src/config/relay-options.ts';

it('the type of the options is what the schema takes', () => {
  // Checked by the compiler.
  expectTypeOf<RelayOptions>().toEqualTypeOf<z.input<typeof optionsSchema>>();
});

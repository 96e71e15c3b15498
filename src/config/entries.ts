/** The options one by one, with the environment variable and the flag of each. */
import type { z } from 'zod';
import type { OptionFacts } from './facts.ts';
import { optionsSchema } from './options.ts';
import { retryShape } from './retry.ts';

export interface OptionEntry {
  /** Where the value goes, e.g. `['retry', 'delayMs']`. */
  readonly path: readonly string[];
  /** e.g. `OUTBOX_RELAY_RETRY_DELAY_MS` */
  readonly env: string;
  readonly schema: z.ZodType;
  readonly facts: OptionFacts;
}

function entriesOf(shape: Record<string, z.ZodType>, parents: readonly string[]): OptionEntry[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const path = [...parents, name];
    const meta = schema.meta() as OptionFacts | undefined;
    if (meta?.flag === undefined) return entriesOf(retryShape, path);
    const words = path.join('_').replace(/([a-z])([A-Z])/g, '$1_$2');
    return [{ path, env: `OUTBOX_RELAY_${words.toUpperCase()}`, schema, facts: meta }];
  });
}

/** Every option with its environment variable and flag, in the order of the reference. */
export const optionEntries: readonly OptionEntry[] = entriesOf(optionsSchema.shape, []);

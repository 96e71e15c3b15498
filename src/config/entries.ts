/** The options one by one, with the environment variable and the flag of each. */
import { z } from 'zod';
import { invariant } from '../core/errors.ts';
import type { OptionFacts } from './facts.ts';
import { optionsSchema } from './options.ts';

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
    const inner = meta === undefined || meta.group === true ? entriesOf(shapeOf(schema), path) : [];
    if (meta === undefined) return inner;
    const words = path.join('_').replace(/([a-z])([A-Z])/g, '$1_$2');
    return [{ path, env: `OUTBOX_RELAY_${words.toUpperCase()}`, schema, facts: meta }, ...inner];
  });
}

/** The options that a group holds by name. */
function shapeOf(schema: z.ZodType): Record<string, z.ZodType> {
  if (schema instanceof z.ZodObject) return schema.shape as Record<string, z.ZodType>;
  if (schema instanceof z.ZodOptional) return shapeOf(schema.unwrap() as z.ZodType);
  const members = schema instanceof z.ZodUnion ? (schema.options as z.ZodType[]) : [];
  const object = members.find((member) => member instanceof z.ZodObject);
  invariant(object !== undefined, 'what has no facts of its own is a group');
  return shapeOf(object);
}

/** Every option with its environment variable and flag, in the order of the reference. */
export const optionEntries: readonly OptionEntry[] = entriesOf(optionsSchema.shape, []);

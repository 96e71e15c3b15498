/** What an option is, besides its schema: the material of the reference and of `--help`. */
import { z } from 'zod';

/** What is told about an option besides its schema. */
export interface OptionFacts {
  readonly description: string;
  /** Shown in the reference; units are also last in the names. */
  readonly fallback: string;
  readonly unit?: string;
  /** When the option has no effect, or what it costs. */
  readonly note?: string;
  readonly flag: string;
  /** Placeholder of the flag's value. */
  readonly value?: string;
  /** Never shown: `url` all but the password in it, `true` nothing of it. */
  readonly secret?: 'url' | true;
  /** It can hold other options by name, which have facts of their own. */
  readonly group?: true;
  readonly [key: string]: unknown;
}

export const facts = (given: OptionFacts) => given;
export const milliseconds = (min: number, max: number) => z.int().min(min).max(max);
export const day = 24 * 60 * 60 * 1_000;

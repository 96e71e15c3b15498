/** The events of a run, by their number, and what the writer says of them. */

/** Few keys, so that each has an order to keep. */
export const keyOf = (number: number) => `key-${number % 11}`;

/** Groups that a writer writes before it waits for a word on its stdin: one of each kind. */
export const groupsBefore = 2;

/** Of different lengths, some of them over several pages. */
export const bodyOf = (number: number) =>
  `value ${number} ${'x'.repeat(number % 97 === 0 ? 9_000 : (number * 37) % 700)}`;

export type WriterLine =
  | { readonly issued: readonly [first: number, last: number] }
  | { readonly accepted: number; readonly seq: number; readonly id: string }
  | { readonly refused: number; readonly code: string };

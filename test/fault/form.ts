/**
 * How much of the fault suite is run, from which seed, and where its figures go.
 *
 * `FAULT_FORM=full` is what `npm run test:fault` asks for, the short form is part of `npm test`.
 * `FAULT_SEED` replays a run. `FAULT_REPORT` names a file that gets a line of JSON per table.
 */
import { randomInt } from 'node:crypto';
import { appendFileSync } from 'node:fs';

export const isFull = process.env['FAULT_FORM'] === 'full';

/** What the form asks for. */
export const byForm = <T>(values: { readonly short: T; readonly full: T }): T =>
  isFull ? values.full : values.short;

/** Numbers that a seed decides (mulberry32). */
export class Chance {
  readonly seed: number;
  #state: number;

  /** @param name keeps tests that share the run's seed apart */
  constructor(name: string, seed = Number(process.env['FAULT_SEED'] ?? randomInt(2 ** 31))) {
    this.seed = seed;
    this.#state = seed;
    for (const letter of name)
      this.#state = Math.imul(this.#state ^ letter.charCodeAt(0), 16777619);
    process.stdout.write(`${name}: FAULT_SEED=${seed}\n`);
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number between both, inclusive. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  oneOf<T>(values: readonly T[]): T {
    return values[this.between(0, values.length - 1)] as T;
  }

  shuffled<T>(values: readonly T[]): T[] {
    const left = [...values];
    return values.map(() => left.splice(this.between(0, left.length - 1), 1)[0] as T);
  }
}

/** Keeps figures for docs/reliability.md, and prints them. */
export function report(table: string, facts: Readonly<Record<string, unknown>>): void {
  const line = JSON.stringify({ table, ...facts });
  process.stdout.write(`${line}\n`);
  const file = process.env['FAULT_REPORT'];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}

/**
 * How much of the fault suite is run, from which seed, and where its figures go.
 *
 * `FAULT_FORM=full` is what `npm run test:fault` asks for, the short form is part of `npm test`.
 * `FAULT_SEED` replays a run. `FAULT_REPORT` names a file that gets a line of JSON per table.
 */
import { randomInt } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { it } from 'vitest';
import { Random } from '../support/random.ts';

export const isFull = process.env['FAULT_FORM'] === 'full';

/** What the form asks for. */
export const byForm = <T>(values: { readonly short: T; readonly full: T }): T =>
  isFull ? values.full : values.short;

/** For tests with parts of their own that mostly wait: all of a file at once in the short form. */
export const together = byForm({ short: it.concurrent, full: it });

/** Choices that the seed of the run repeats. */
export class Chance extends Random {
  readonly seed: number;

  /** @param name keeps tests that share the run's seed apart */
  constructor(name: string, seed = Number(process.env['FAULT_SEED'] ?? randomInt(2 ** 31))) {
    super(seed, name);
    this.seed = seed;
    process.stdout.write(`${name}: FAULT_SEED=${seed}\n`);
  }
}

/** Keeps figures for docs/reliability.md, and prints them. */
export function report(table: string, facts: Readonly<Record<string, unknown>>): void {
  const { late: _notAsked, ...asked } = facts; // no test here says when an event is late
  const line = JSON.stringify({ table, ...asked });
  process.stdout.write(`${line}\n`);
  const file = process.env['FAULT_REPORT'];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}

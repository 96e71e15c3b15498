/** What is wrong in a file, however often: never a list of every breach. */
import type { Fault, FaultCode } from '../integrity.ts';

const examplesMax = 10;

/** Counts breaches by their code and keeps the first examples. */
export class Faults {
  readonly #found = new Map<FaultCode, { count: number; examples: string[] }>();

  add(code: FaultCode, example: string): void {
    this.#count(code, { count: 1, examples: [example] });
  }

  /** Adds what another one has counted. */
  merge(others: Faults): void {
    for (const { code, count, examples } of others.list()) this.#count(code, { count, examples });
  }

  #count(code: FaultCode, { count, examples }: Omit<Fault, 'code'>): void {
    const entry = this.#found.get(code) ?? { count: 0, examples: [] };
    entry.count += count;
    entry.examples.push(...examples.slice(0, examplesMax - entry.examples.length));
    this.#found.set(code, entry);
  }

  list(): Fault[] {
    return [...this.#found].map(([code, { count, examples }]) => ({ code, count, examples }));
  }
}

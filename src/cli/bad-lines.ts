/** Lines that are not events: each is told with its number, up to a bound; all are counted. */
import { OutboxRelayError } from '../core/errors.ts';
import type { OutboxEvent } from '../core/event.ts';
import { type LineRules, parseEventLine } from './event-line.ts';
import type { Line } from './lines.ts';

const toldMax = 20;

export class BadLines {
  readonly #say: (text: string) => void;
  #count = 0;

  /** @param say where the lines are told, e.g. stderr */
  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  get count(): number {
    return this.#count;
  }

  /** The line's event, or `null` after telling why it is none. Blank lines are `undefined`. */
  parse(
    { number, bytes }: Line,
    rules: LineRules,
    validate: (event: OutboxEvent) => void,
  ): OutboxEvent | null | undefined {
    if (bytes === null) return this.#tell(number, 'is too long');
    if (bytes.length === 0) return undefined;
    try {
      const event = parseEventLine(bytes, rules);
      validate(event);
      return event;
    } catch (error) {
      if (!(error instanceof OutboxRelayError)) throw error;
      return this.#tell(number, error.message);
    }
  }

  #tell(number: number, problem: string): null {
    this.#count += 1;
    if (this.#count <= toldMax) this.#say(`line ${number}: ${problem}\n`);
    if (this.#count === toldMax) this.#say('further bad lines are only counted\n');
    return null;
  }
}

/** Lines that are not events: each is told with its number, up to a bound; all are counted. */
import { OutboxRelayError } from '../core/errors.ts';
import type { OutboxEvent } from '../core/event.ts';
import { type LineRules, parseEventLine } from './event-line.ts';
import type { Line } from './lines.ts';

const toldMaxDefault = 20;

export interface BadLine {
  readonly line: number;
  readonly problem: string;
}

export interface BadLinesParts {
  /** Where the lines are told, e.g. stderr. */
  readonly say: (bad: BadLine | 'more') => void;
  /** Throws when the outbox would not take the event. */
  readonly validate: (event: OutboxEvent) => void;
  /** How many are told; the others are only counted. Default: 20. */
  readonly toldMax?: number;
}

export class BadLines {
  readonly #parts: BadLinesParts;
  #count = 0;
  readonly #told: BadLine[] = [];

  constructor(parts: BadLinesParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#count;
  }

  /** The first of them. */
  get told(): readonly BadLine[] {
    return this.#told;
  }

  /** The same rules, counting anew and saying nothing; for a second reading. */
  silent(): BadLines {
    return new BadLines({ ...this.#parts, say: () => {} });
  }

  /** The line's event; `null` for a blank line, and after telling why a line is none. */
  parse({ number, bytes }: Line, rules: LineRules): OutboxEvent | null {
    if (bytes === null) return this.#tell(number, 'is too long');
    try {
      const event = parseEventLine(bytes, rules);
      if (event !== null) this.#parts.validate(event);
      return event;
    } catch (error) {
      if (!(error instanceof OutboxRelayError)) throw error;
      return this.#tell(number, error.message);
    }
  }

  /** A line that was an event and was refused when it was stored. */
  refuse(number: number, error: OutboxRelayError): void {
    this.#tell(number, error.message);
  }

  #tell(line: number, problem: string): null {
    this.#count += 1;
    const { say, toldMax = toldMaxDefault } = this.#parts;
    if (this.#count <= toldMax) say({ line, problem });
    if (this.#count <= toldMaxDefault) this.#told.push({ line, problem });
    if (this.#count === toldMax + 1) say('more');
    return null;
  }
}

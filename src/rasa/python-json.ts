/**
 * JSON in the very bytes of Python's `json.dumps`: `", "` and `": "` between things, everything
 * outside printable ASCII escaped, floats as Python's `repr` writes them.
 *
 * Python has ints and floats where JavaScript has numbers: `1` and `1.0` are the same here and not
 * there. So a whole number is written as an int, unless it is a {@link PythonFloat} or stands in a
 * field that Rasa fills with a float (float-fields.ts). A whole number beyond 2^53 is refused:
 * JavaScript may have rounded it already. {@link parsePythonJson} reads a text without that loss.
 */
import { EventInvalidError } from '../core/errors.ts';

/** A number that Python would hold as a float: 1 is written as `1.0`. */
export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** Where a value stands: names and indexes from the top. */
export type Path = readonly (string | number)[];

/** What JavaScript cannot tell by itself. */
export interface PythonJsonOptions {
  /** Whether the number at this path is a float in Python. Default: none but fractions. */
  readonly isFloat?: (path: Path) => boolean;
}

/** CPython gives up at some thousand levels too; a clear error is better than a full stack. */
const depthMax = 500;

/**
 * @throws EVENT_INVALID with the path of what JSON cannot hold: undefined, functions, symbols,
 *   cycles, instances of classes (a Date, a Map), whole numbers beyond 2^53, 500 levels
 */
export function toPythonJson(value: unknown, options: PythonJsonOptions = {}): string {
  return new Writer(options.isFloat ?? (() => false)).write(value);
}

class Writer {
  readonly #isFloat: (path: Path) => boolean;
  readonly #path: (string | number)[] = [];
  /** The objects that the current one is inside of. */
  readonly #open = new Set<object>();

  constructor(isFloat: (path: Path) => boolean) {
    this.#isFloat = isFloat;
  }

  write(value: unknown): string {
    switch (typeof value) {
      case 'string':
        return pythonString(value);
      case 'number':
        return this.#number(value);
      case 'bigint':
      case 'boolean':
        return String(value);
      case 'object':
        return value === null ? 'null' : this.#object(value);
      default:
        throw this.#refuse(`is ${typeof value}`);
    }
  }

  #number(value: number): string {
    const whole = Number.isInteger(value) && !Object.is(value, -0);
    if (!whole || this.#isFloat(this.#path)) return pythonFloat(value);
    if (Number.isSafeInteger(value)) return String(value);
    throw this.#refuse('is a whole number beyond 2^53; give a BigInt, or a PythonFloat');
  }

  #object(value: object): string {
    if (value instanceof PythonFloat) return pythonFloat(value.value);
    if (this.#open.has(value)) throw this.#refuse('contains itself');
    if (this.#path.length >= depthMax) throw this.#refuse(`is ${depthMax} levels deep`);
    this.#open.add(value);
    const text = Array.isArray(value) ? this.#array(value) : this.#record(value);
    this.#open.delete(value);
    return text;
  }

  #array(value: readonly unknown[]): string {
    // Not map(): it would leave holes out.
    const parts = Array.from(value, (one, index) => this.#at(index, one));
    return `[${parts.join(', ')}]`;
  }

  #record(value: object): string {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw this.#refuse(`is a ${value.constructor?.name || 'class instance'}; convert it first`);
    }
    const parts = Object.entries(value).map(([name, one]) => {
      return `${pythonString(name)}: ${this.#at(name, one)}`;
    });
    return `{${parts.join(', ')}}`;
  }

  #at(step: string | number, value: unknown): string {
    this.#path.push(step);
    const text = this.write(value);
    this.#path.pop();
    return text;
  }

  #refuse(problem: string): Error {
    const place = this.#path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`));
    const field = `event${place.slice(0, 8).join('')}${place.length > 8 ? '…' : ''}`;
    return new EventInvalidError(`${field} ${problem}`, { details: { field } });
  }
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};

/** By UTF-16 units, as Python escapes: beyond U+FFFF a pair, and a lone surrogate as it is. */
function pythonString(text: string): string {
  const escaped = text.replace(/["\\]|[^ -~]/g, (unit) => {
    return shortEscapes[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}

/**
 * Both languages write the shortest digits that are read back as the same number; they differ in
 * when an exponent is used (Python: below 1e-4, from 1e16) and in how it looks (`1e-07`).
 */
function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (Object.is(value, -0)) return '-0.0';
  const [mantissa = '', exponentText] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const sign = exponent < 0 ? '-' : '+';
    return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  // In this range JavaScript uses no exponent but below 1e-6, which is handled above.
  const plain = String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}

interface SourceJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
}

/**
 * Reads JSON as Python does: `1.0` stays a float, an int beyond 2^53 becomes a BigInt. What
 * {@link toPythonJson} makes of it is what Python would.
 *
 * Not kept: the order of names that are whole numbers, which JavaScript sorts. `NaN` and
 * `Infinity`, which Python writes and JSON does not know, are refused.
 * @throws SyntaxError
 */
export function parsePythonJson(text: string): unknown {
  return (JSON as unknown as SourceJson).parse(text, (_, value, { source }) => {
    if (typeof value !== 'number' || source === undefined) return value;
    if (/[.eE]/.test(source)) return Number.isInteger(value) ? new PythonFloat(value) : value;
    if (value === 0) return 0; // -0 is an int there
    return Number.isSafeInteger(value) ? value : BigInt(source);
  });
}

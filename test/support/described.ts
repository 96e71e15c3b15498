/** Values in the notation of test/golden/python_json.py, which tells ints from floats. */
import { PythonFloat } from '../../src/rasa/python-json.ts';

export type Described =
  | { t: 'json'; v: null | boolean }
  | { t: 'int' | 'float'; v: string }
  | { t: 'str'; v: number[] }
  | { t: 'list'; v: Described[] }
  | { t: 'dict'; v: [number[], Described][] };

const text = (units: readonly number[]) => units.map((unit) => String.fromCharCode(unit)).join('');

/** As an application would hold the value: numbers where they are enough. */
export function understand(described: Described): unknown {
  switch (described.t) {
    case 'json':
      return described.v;
    case 'int': {
      const number = Number(described.v);
      return Number.isSafeInteger(number) ? number : BigInt(described.v);
    }
    case 'float': {
      const number = Buffer.from(described.v, 'hex').readDoubleBE();
      return Number.isInteger(number) ? new PythonFloat(number) : number;
    }
    case 'str':
      return text(described.v);
    case 'list':
      return described.v.map(understand);
    case 'dict':
      return Object.fromEntries(
        described.v.map(([name, value]) => [text(name), understand(value)] as const),
      );
  }
}

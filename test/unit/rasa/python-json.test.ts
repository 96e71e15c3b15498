/** Against golden files that Python has written, and against Python itself where there is one. */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRasaFloat } from '../../../src/rasa/float-fields.ts';
import { PythonFloat, parsePythonJson, toPythonJson } from '../../../src/rasa/python-json.ts';
import { type Described, understand } from '../../support/described.ts';

const golden = (name: string) =>
  readFileSync(new URL(`../../golden/${name}`, import.meta.url), 'utf8')
    .trimEnd()
    .split(/\r?\n/);
const generator = fileURLToPath(new URL('../../golden/python_json.py', import.meta.url));

describe('the bytes of json.dumps', () => {
  it('are written for every value of the golden file', () => {
    const rows = golden('python-values.jsonl').map(
      (line) => JSON.parse(line) as [Described, string],
    );
    expect(rows.length).toBeGreaterThan(600);
    const wrong = rows.filter(([value, dumped]) => toPythonJson(understand(value)) !== dumped);
    expect(wrong).toEqual([]);
  });

  it('are written for Rasa’s events as JavaScript parses them', () => {
    const events = golden('rasa-events.jsonl');
    expect(events.length).toBeGreaterThan(8);
    const written = events.map((line) => {
      return toPythonJson(JSON.parse(line), { isFloat: isRasaFloat });
    });
    expect(written).toEqual(events);
  });

  it('are written again after parsePythonJson, without any list of fields', () => {
    const texts = golden('python-values.jsonl').map((line) => (JSON.parse(line) as string[])[1]);
    const json = texts.filter((text): text is string => !/NaN|Infinity/.test(text ?? 'NaN'));
    for (const text of [...json, ...golden('rasa-events.jsonl'), '-0.0', '1e5']) {
      const written = toPythonJson(parsePythonJson(text));
      expect(written).toBe(text === '1e5' ? '100000.0' : text);
    }
    expect(toPythonJson(parsePythonJson('[-0, 12345678901234567890, 1e999]'))).toBe(
      '[0, 12345678901234567890, Infinity]',
    );
  });

  const python = spawnSync('python3', ['--version']).status === 0;
  it.skipIf(!python)('are those of the Python here, over random values', () => {
    const seed = randomInt(2 ** 31);
    console.log(`seed ${seed}`);
    const values = fc.sample(described, { numRuns: 2_000, seed });
    const input = values.map((value) => `${JSON.stringify(value)}\n`).join('');
    const { stdout, stderr } = spawnSync('python3', [generator, '--serve'], { input });
    const answers = stdout.toString().trimEnd().split('\n');
    expect(answers.length, stderr.toString()).toBe(values.length);
    const wrong = values.filter((value, at) => toPythonJson(understand(value)) !== answers[at]);
    expect(wrong, `seed ${seed}`).toEqual([]);
  });
});

const units = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0xffff })),
  { maxLength: 8 },
);
/** JavaScript sorts names that are whole numbers: a limit that the documents state. */
const name = units.map((all) => [0x5f, ...all]);
const float = fc.double().map((value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
});
const described = fc.letrec<{ value: Described }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.record({ t: fc.constant('float' as const), v: float }),
    fc.record({ t: fc.constant('int' as const), v: fc.bigInt().map(String) }),
    fc.record({ t: fc.constant('str' as const), v: units }),
    fc.record({ t: fc.constant('json' as const), v: fc.constantFrom(null, true, false) }),
    fc.record({ t: fc.constant('list' as const), v: fc.array(tie('value'), { maxLength: 4 }) }),
    fc.record({
      t: fc.constant('dict' as const),
      v: fc.uniqueArray(fc.tuple(name, tie('value')), {
        maxLength: 4,
        selector: ([key]) => key.join(),
      }),
    }),
  ),
})).value;

const cyclic: Record<string, unknown> = {};
cyclic['list'] = [cyclic];
const deep = JSON.parse(`${'['.repeat(600)}${']'.repeat(600)}`) as unknown;

describe('what JSON cannot hold', () => {
  it.each<[string, unknown, string]>([
    ['undefined', { a: { b: undefined } }, 'event.a.b is undefined'],
    ['a hole', { a: new Array(1) }, 'event.a[0] is undefined'],
    ['nothing at all', undefined, 'event is undefined'],
    ['a function', { a: () => 1 }, 'event.a is function'],
    ['a symbol', [Symbol('s')], 'event[0] is symbol'],
    ['a cycle', { a: cyclic }, 'event.a.list[0] contains itself'],
    ['a Date', { a: new Date(0) }, 'event.a is a Date; convert it first'],
    ['a Map', { a: new Map() }, 'event.a is a Map; convert it first'],
    ['bytes', { a: Buffer.from('x') }, 'event.a is a Buffer; convert it first'],
    ['a large whole number', { id: 2 ** 53 }, 'event.id is a whole number beyond 2^53'],
    ['600 levels', deep, 'event[0][0][0][0][0][0][0][0]… is 500 levels deep'],
  ])('is refused: %s', (_, value, message) => {
    expect(() => toPythonJson(value)).toThrow(message);
    expect(() => toPythonJson(value)).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }));
  });

  it('is not: the same object twice, a BigInt, an object without a prototype', () => {
    const shared = Object.assign(Object.create(null), { n: 10n ** 20n });
    expect(toPythonJson([shared, shared])).toBe(
      '[{"n": 100000000000000000000}, {"n": 100000000000000000000}]',
    );
  });
});

describe('a whole number', () => {
  it('is an int, a PythonFloat a float, and a fraction always a float', () => {
    expect(toPythonJson([1, new PythonFloat(1), 1.5, -0])).toBe('[1, 1.0, 1.5, -0.0]');
  });

  it.each<[object, string]>([
    [{ timestamp: 1, confidence: 1 }, '{"timestamp": 1.0, "confidence": 1.0}'],
    [{ score: 1 }, '{"score": 1}'],
    [{ parse_data: { a: { score: 1 } } }, '{"parse_data": {"a": {"score": 1.0}}}'],
    [{ parse_data: { timestamp: 1 } }, '{"parse_data": {"timestamp": 1}}'],
    [{ entities: [{ confidence_role: 1 }] }, '{"entities": [{"confidence_role": 1.0}]}'],
    [{ entities: [{ value: { score: 1 } }] }, '{"entities": [{"value": {"score": 1}}]}'],
    [
      { metadata: { timestamp: 1, confidence: 1 } },
      '{"metadata": {"timestamp": 1, "confidence": 1}}',
    ],
    [{ timestamp: 2 ** 60 }, '{"timestamp": 1.152921504606847e+18}'],
  ])('of a field that Rasa fills with floats is a float: %o', (event, text) => {
    expect(toPythonJson(event, { isFloat: isRasaFloat })).toBe(text);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../src/cli/lines.ts';

/** The lines of a text that arrives in chunks of these sizes, over and over. */
function split(text: string, sizes: readonly number[], bytesMax = 1_000): (string | null)[] {
  const splitter = new LineSplitter(bytesMax);
  const bytes = Buffer.from(text);
  const lines: (string | null)[] = [];
  const numbers: number[] = [];
  const keep = (found: Iterable<{ number: number; bytes: Buffer | null }>) => {
    for (const line of found) {
      numbers.push(line.number);
      lines.push(line.bytes === null ? null : line.bytes.toString());
    }
  };
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    keep(splitter.push(bytes.subarray(at, at + size)));
    at += size;
  }
  keep(splitter.finish());
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  return lines;
}

describe('lines', () => {
  it.each([
    ['', []],
    ['one', ['one']],
    ['one\n', ['one']],
    ['one\n\ntwo\n', ['one', '', 'two']],
    ['one\r\ntwo\r\n', ['one', 'two']],
    ['a\rb\n', ['a\rb']],
  ])('of %j', (text, lines) => {
    expect(split(text, [1_000])).toEqual(lines);
  });

  it('are the same however the bytes are cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\n', '\r') });
    const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(text, sizes, (given, cuts) => {
        const lines = given.split('\n');
        if (lines.at(-1) === '') lines.pop();
        expect(split(given, cuts)).toEqual(lines.map((line) => line.replace(/\r$/, '')));
      }),
    );
  });

  it('that are too long keep their number and nothing else', () => {
    expect(split('12345\n123456\n1\n', [2], 5)).toEqual(['12345', null, '1']);
  });
});

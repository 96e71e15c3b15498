import { describe, expect, it } from 'vitest';
import { type BadLine, BadLines } from '../../../src/cli/bad-lines.ts';
import { EventInvalidError } from '../../../src/core/errors.ts';

const rules = { topic: undefined, keyField: undefined };
const line = (number: number, text: string | null) => ({
  number,
  bytes: text === null ? null : Buffer.from(text),
});

function collect(validate: () => void = () => {}, rest: { toldMax?: number } = {}) {
  const said: (BadLine | 'more')[] = [];
  const bad = new BadLines({ say: (one) => said.push(one), validate, ...rest });
  return { said, bad };
}

describe('bad lines', () => {
  it('are told with their number and counted', () => {
    const { said, bad } = collect();
    expect(bad.parse(line(7, 'nonsense'), rules)).toBeNull();
    expect(bad.parse(line(8, null), rules)).toBeNull();
    expect(bad.count).toBe(2);
    expect(said).toEqual([
      { line: 7, problem: expect.stringMatching('is not JSON') },
      { line: 8, problem: 'is too long' },
    ]);
    expect(bad.told[1]).toEqual({ line: 8, problem: 'is too long' });
  });

  it('are only counted from the 21st on, and that is said once', () => {
    const { said, bad } = collect();
    for (let number = 1; number <= 30; number += 1) bad.parse(line(number, '?'), rules);
    expect(bad.count).toBe(30);
    expect(bad.told).toHaveLength(20);
    expect(said).toHaveLength(21);
    expect(said.at(-1)).toBe('more');
  });

  it('are all told when there is no bound, and the first 20 kept', () => {
    const { said, bad } = collect(() => {}, { toldMax: Number.POSITIVE_INFINITY });
    for (let number = 1; number <= 30; number += 1) bad.parse(line(number, '?'), rules);
    expect(said).toHaveLength(30);
    expect(bad.told).toHaveLength(20);
  });

  it('include what the outbox would refuse', () => {
    const { said, bad } = collect(() => {
      throw new EventInvalidError('topic is too long');
    });
    expect(bad.parse(line(1, '{"topic":"t","value":1}'), rules)).toBeNull();
    expect(said).toEqual([{ line: 1, problem: 'topic is too long' }]);
  });

  it('do not include defects: those are thrown', () => {
    const { bad } = collect(() => {
      throw new TypeError('a defect');
    });
    expect(() => bad.parse(line(1, '{"topic":"t","value":1}'), rules)).toThrow(TypeError);
  });

  it('are counted anew, in silence, in a second reading', () => {
    const { said, bad } = collect();
    bad.parse(line(1, '?'), rules);
    const again = bad.silent();
    again.parse(line(1, '?'), rules);
    expect([bad.count, again.count, said.length]).toEqual([1, 1, 1]);
  });
});

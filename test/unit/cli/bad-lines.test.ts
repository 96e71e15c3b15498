import { describe, expect, it } from 'vitest';
import { BadLines } from '../../../src/cli/bad-lines.ts';
import { EventInvalidError } from '../../../src/core/errors.ts';

const rules = { topic: undefined, keyField: undefined };
const line = (number: number, text: string | null) => ({
  number,
  bytes: text === null ? null : Buffer.from(text),
});

function collect(validate: () => void = () => {}) {
  const said: string[] = [];
  const bad = new BadLines({ say: (text) => said.push(text), validate });
  return { said, bad };
}

describe('bad lines', () => {
  it('are told with their number and counted', () => {
    const { said, bad } = collect();
    expect(bad.parse(line(7, 'nonsense'), rules)).toBeNull();
    expect(bad.parse(line(8, null), rules)).toBeNull();
    expect(bad.count).toBe(2);
    expect(said).toEqual([
      expect.stringMatching(/^line 7: is not JSON.*\n$/),
      'line 8: is too long\n',
    ]);
    expect(bad.told[1]).toEqual({ line: 8, problem: 'is too long' });
  });

  it('are only counted from the 21st on, and that is said once', () => {
    const { said, bad } = collect();
    for (let number = 1; number <= 30; number += 1) bad.parse(line(number, '?'), rules);
    expect(bad.count).toBe(30);
    expect(bad.told).toHaveLength(20);
    expect(said).toHaveLength(21);
    expect(said.at(-1)).toBe('further bad lines are only counted\n');
  });

  it('include what the outbox would refuse', () => {
    const { said, bad } = collect(() => {
      throw new EventInvalidError('topic is too long');
    });
    expect(bad.parse(line(1, '{"topic":"t","value":1}'), rules)).toBeNull();
    expect(said).toEqual(['line 1: topic is too long\n']);
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

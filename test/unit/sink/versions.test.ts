import { describe, expect, it } from 'vitest';
import { describeVersions, parseVersions, type Range } from '../../../src/sink/kafkajs/versions.ts';

const metadata: [number, Range] = [3, [0, 13]];
const initProducerId: [number, Range] = [22, [0, 5]];
const speaking = (...produce: Range) =>
  describeVersions(new Map([[0, produce], metadata, initProducerId]));

describe('what a broker speaks', () => {
  it.each([
    [0, 7, 'before 2.4'],
    [0, 8, '2.4 to 2.7'],
    [0, 9, '2.8 to 3.6'],
    [0, 11, '3.8 or 3.9'],
    [0, 12, '4.0'],
    [3, 13, '4.1 or later'],
    [3, 20, '4.1 or later'],
  ])('Produce %i to %i is Kafka %s', (lowest, highest, release) => {
    expect(speaking(lowest, highest)).toEqual({ release, unspoken: [] });
  });

  it('is not enough before headers, nor when the client’s last version is gone', () => {
    expect(speaking(0, 2).unspoken).toEqual(['Produce']);
    expect(speaking(8, 20).unspoken).toEqual(['Produce']);
    const without = describeVersions(new Map([[0, [3, 13]], metadata]));
    expect(without.unspoken).toEqual(['InitProducerId']);
  });
});

describe('the answer', () => {
  const bytes = Buffer.from(
    ['00000016', '00000000', '0000', '00000002', '00000003000d', '000300000010'].join(''),
    'hex',
  );

  it('is read when all of it is there', () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(parseVersions(bytes.subarray(0, length))).toBeNull();
    }
    const expected = new Map([
      [0, [3, 13]],
      [3, [0, 16]],
    ]);
    expect(parseVersions(bytes)).toEqual(expected);
  });

  it('may be an error, or something else', () => {
    const refused = Buffer.from(bytes);
    refused.writeInt16BE(35, 8);
    expect(() => parseVersions(refused)).toThrow(RangeError);
    const lying = Buffer.from(bytes);
    lying.writeInt32BE(1_000, 10);
    expect(() => parseVersions(lying)).toThrow(RangeError);
  });
});

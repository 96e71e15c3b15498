import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromMark, toMark } from '../../../src/relay/watermark.ts';

const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

it('a watermark is read as it was written, whatever a foreign writer calls its events', () => {
  // Ids have 36 characters, and need not be UUIDs (docs/table-contract.md).
  const eventId = fc.option(fc.string({ minLength: 36, maxLength: 36, unit: 'grapheme-ascii' }));
  fc.assert(
    fc.property(fc.record({ number, from: number, eventId, aside: number }), (watermark) => {
      expect(fromMark(toMark(watermark))).toEqual(watermark);
    }),
  );
});

it.each(['', 'x', '1 - ', '1 -', 'a - 0', '1 - -1'])(
  'a note of somebody else is none: %j',
  (note) => {
    expect(fromMark({ number: 1, note })).toBe(null);
  },
);

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { laneOf, orderKeyOf } from '../../../src/core/lane.ts';

const id = '01900000-0000-7000-8000-000000000000';
const bytes = (text: string) => Buffer.from(text);

describe('laneOf', () => {
  // Computed with Python: zlib.crc32(topic + b"\0" + order_key) % lanes, as other writers do.
  it.each([
    [{ topic: 'orders', key: bytes('42'), partition: null }, 8, 3],
    [{ topic: 'orders', key: bytes(''), partition: null }, 8, 7],
    [{ topic: 'orders', key: bytes('ключ'), partition: null }, 8, 3],
    [{ topic: 'orders', key: null, partition: 3 }, 8, 5],
    [{ topic: 'orders', key: null, partition: null }, 8, 0],
    [{ topic: 'a', key: bytes('b'), partition: null }, 256, 113],
  ])('of %o over %i lanes is %i', (event, lanes, lane) => {
    expect(laneOf({ id, ...event }, lanes)).toBe(lane);
  });

  it('is the same for every event of a topic and key, and always one of the lanes', () => {
    const event = fc.record({
      id: fc.uuid(),
      topic: fc.string({ minLength: 1 }),
      key: fc.uint8Array(),
      partition: fc.option(fc.nat()),
    });
    fc.assert(
      fc.property(event, fc.uuid(), fc.integer({ min: 1, max: 256 }), (one, otherId, lanes) => {
        const lane = laneOf(one, lanes);
        expect(lane).toBe(laneOf({ ...one, id: otherId, partition: 1 }, lanes));
        expect(Number.isInteger(lane) && lane >= 0 && lane < lanes).toBe(true);
      }),
    );
  });
});

describe('orderKeyOf', () => {
  it('is the key, else the partition, else nothing', () => {
    expect(orderKeyOf({ topic: 't', key: bytes(''), partition: 1 })).toEqual(bytes(''));
    expect(orderKeyOf({ topic: 't', key: null, partition: 10 })).toEqual(bytes('10'));
    expect(orderKeyOf({ topic: 't', key: null, partition: null })).toBeNull();
  });
});

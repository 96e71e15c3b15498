import { describe, expect, it } from 'vitest';
import { decodeHeaders, encodeHeaders } from '../../../src/core/event.ts';

describe('stored headers', () => {
  it('come back as they were: order, repeated names, empty and missing values', () => {
    const headers = [
      ['b', Buffer.from([0, 255, 10])],
      ['a', Buffer.alloc(0)],
      ['b', null],
    ] as const;
    expect(decodeHeaders(encodeHeaders(headers))).toEqual(headers);
  });

  it('are nothing when there are none', () => {
    expect(encodeHeaders([])).toBeNull();
    expect(decodeHeaders(null)).toEqual([]);
  });

  it.each(['{}', '[1]', '[["a"]]', '[["a", 1]]', '[[1, "YQ=="]]', 'nonsense', ''])(
    'of another writer are refused when they are %s',
    (stored) => {
      expect(() => decodeHeaders(stored)).toThrow();
    },
  );
});

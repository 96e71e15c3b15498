import { describe, expect, it } from 'vitest';
import type { OutboxEvent } from '../../../src/core/event.ts';
import { limits } from '../../../src/core/limits.ts';
import { encodeEvent } from '../../../src/enqueue/encode.ts';

const id = '01890000-0000-7000-8000-000000000000';
const rules = { recordBytesMax: 10_000, newId: () => id, now: () => 1_000 };
const encode = (event: unknown, recordBytesMax = rules.recordBytesMax) =>
  encodeEvent(event as OutboxEvent, { ...rules, recordBytesMax });
const event = (given: Record<string, unknown> = {}) => ({ topic: 'orders', value: 'v', ...given });

describe('an accepted event', () => {
  it('becomes bytes, with an id and a time', () => {
    const headers = { a: 'x', b: Buffer.from([0, 255]), c: '' };
    const encoded = encode(event({ key: 'ключ', value: { n: 1 }, headers, partition: 3 }));
    expect(encoded).toEqual({
      id,
      topic: 'orders',
      key: Buffer.from('ключ'),
      value: Buffer.from('{"n":1}'),
      headers: [
        ['a', Buffer.from('x')],
        ['b', Buffer.from([0, 255])],
        ['c', Buffer.alloc(0)],
      ],
      partition: 3,
      createdAtMs: 1_000,
      retries: null,
      delayMs: null,
      dedupe: null,
    });
  });

  it.each([
    ['text', 'héllo', Buffer.from('héllo')],
    ['empty text', '', Buffer.alloc(0)],
    ['bytes', Uint8Array.of(1, 2), Buffer.from([1, 2])],
    ['null, a tombstone', null, null],
    ['an array', [1, 'a', null], Buffer.from('[1,"a",null]')],
    ['a number', 1.5, Buffer.from('1.5')],
    ['false', false, Buffer.from('false')],
    ['an object with toJSON', new Date(0), Buffer.from('"1970-01-01T00:00:00.000Z"')],
    ['an error that speaks JSON', Object.assign(new Error('e'), { toJSON: () => 1 }), '1'],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ['what JSON leaves out', { a: undefined, b: 1 }, '{"b":1}'],
  ])('takes %s as its value', (_, value, bytes) => {
    expect(encode(event({ value })).value).toEqual(bytes === null ? null : Buffer.from(bytes));
  });

  it('tells an empty key from none', () => {
    expect(encode(event({ key: '' })).key).toEqual(Buffer.alloc(0));
    expect(encode(event({ key: null })).key).toBeNull();
    expect(encode(event()).key).toBeNull();
  });

  it('keeps order and repetition of header pairs', () => {
    const headers = [
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ];
    expect(encode(event({ headers })).headers.map(([name, value]) => `${name}${value}`)).toEqual([
      'b1',
      'a2',
      'b3',
    ]);
  });

  it('is bound at once: a buffer may be used again', () => {
    const bytes = Buffer.from('before');
    const encoded = encode(event({ key: bytes, value: bytes, headers: { h: bytes } }));
    bytes.fill('x');
    expect(encoded.key?.toString()).toBe('before');
    expect(encoded.value?.toString()).toBe('before');
    expect(Buffer.from(encoded.headers[0]?.[1] ?? []).toString()).toBe('before');
  });

  it('remembers its dedupe key for 7 days, or as long as it says', () => {
    expect(encode(event({ dedupeKey: 'k' })).dedupe).toEqual({
      key: 'k',
      expiresAtMs: 1_000 + limits.dedupeTtlMsDefault,
    });
    expect(encode(event({ dedupeKey: 'k', dedupeTtlMs: 5 })).dedupe?.expiresAtMs).toBe(1_005);
  });

  it.each([
    [{}, null, null],
    [{ retries: null, delayMs: undefined }, null, null],
    [{ retries: 0, delayMs: 0 }, 0, 0],
    [{ retries: 1_000_000, delayMs: 86_400_000 }, 1_000_000, 86_400_000],
  ])('may have retries and a delay of its own: %o', (given, retries, delayMs) => {
    expect(encode(event(given))).toMatchObject({ retries, delayMs });
  });

  it.each(['a', 'A-b_c.9', '...', 'x'.repeat(limits.topicLengthMax)])(
    'may have the topic %s',
    (topic) => {
      expect(encode(event({ topic })).topic).toBe(topic);
    },
  );
});

const cyclic: Record<string, unknown> = {};
cyclic['self'] = cyclic;

describe('a refused event', () => {
  it.each<[string, unknown, RegExp]>([
    ['null', null, /event must be an object/],
    ['text', 'x', /event must be an object/],
    ['a misspelt field', event({ patition: 1 }), /^patition is not a field of an event/],
    ['no topic', { value: 1 }, /^topic must be a string/],
    ['an empty topic', event({ topic: '' }), /not a legal topic/],
    ['the topic .', event({ topic: '.' }), /not a legal topic/],
    ['the topic ..', event({ topic: '..' }), /not a legal topic/],
    ['a topic with a space', event({ topic: 'a b' }), /not a legal topic/],
    ['a topic with a newline', event({ topic: 'a\n' }), /not a legal topic/],
    ['a long topic', event({ topic: 'x'.repeat(250) }), /not a legal topic/],
    ['a number as key', event({ key: 7 }), /^key must be a string, bytes or null, not number/],
    ['a lone surrogate in the key', event({ key: '\ud800' }), /^key .*surrogate/],
    ['a lone surrogate in the value', event({ value: 'a\udc00' }), /^value .*surrogate/],
    ['no value', { topic: 't' }, /^value must not be undefined; null is a tombstone/],
    ['a function', event({ value: () => 1 }), /^value must not be function/],
    ['a symbol', event({ value: Symbol('s') }), /^value must not be symbol/],
    ['a BigInt', event({ value: 1n }), /^value cannot be written as JSON: .*BigInt/],
    ['a BigInt inside', event({ value: { a: [1n] } }), /^value cannot be written as JSON/],
    ['a cycle', event({ value: cyclic }), /^value cannot be written as JSON: .*circular/],
    ['NaN', event({ value: Number.NaN }), /^value must be a finite number/],
    ['infinity', event({ value: -1 / 0 }), /^value must be a finite number/],
    ['a promise', event({ value: Promise.resolve(1) }), /^value is a Promise.*await/],
    ['a Map', event({ value: new Map([[1, 2]]) }), /^value is a Map/],
    ['a Set', event({ value: new Set([1]) }), /^value is a Set/],
    ['an ArrayBuffer', event({ value: new ArrayBuffer(2) }), /^value is a ArrayBuffer/],
    ['a view that is not bytes', event({ value: new Float64Array(2) }), /^value is a Float64Array/],
    ['an error', event({ value: new Error('e') }), /^value is a Error/],
    ['toJSON giving nothing', event({ value: { toJSON: () => undefined } }), /gives no JSON/],
    ['toJSON throwing', event({ value: { toJSON: () => JSON.parse('{') } }), /cannot be written/],
    ['headers as text', event({ headers: 'a=b' }), /^headers must be an object or pairs/],
    ['headers as a Map', event({ headers: new Map([['a', 'b']]) }), /^headers must be an object/],
    ['a header that is no pair', event({ headers: [['a']] }), /^headers must be pairs/],
    ['a number as header', event({ headers: { a: 1 } }), /^header a must be .*not number/],
    ['null as header', event({ headers: { a: null } }), /^header a must have a value/],
    ['undefined as header', event({ headers: { a: undefined } }), /^header a must be .*undefined/],
    ['a header without name', event({ headers: { '': 'x' } }), /^headers need names/],
    ['a broken header name', event({ headers: { 'a\ud800': 'x' } }), /surrogate/],
    ['a broken header value', event({ headers: { a: '\ud800' } }), /^header a .*surrogate/],
    ['a long header name', event({ headers: { ['x'.repeat(1_025)]: 'v' } }), /too long a name/],
    ['many headers', event({ headers: Array(129).fill(['a', 'b']) }), /129, at most 128/],
    ['a partition below 0', event({ partition: -1 }), /^partition must be a whole number/],
    ['half a partition', event({ partition: 1.5 }), /^partition must be a whole number/],
    ['a partition as text', event({ partition: '1' }), /^partition must be a whole number/],
    ['a partition beyond int32', event({ partition: 2 ** 31 }), /^partition must be a whole/],
    ['an empty dedupe key', event({ dedupeKey: '' }), /^dedupeKey must be a string/],
    ['a number as dedupe key', event({ dedupeKey: 1 }), /^dedupeKey must be a string/],
    ['a long dedupe key', event({ dedupeKey: 'x'.repeat(513) }), /^dedupeKey is longer than 512/],
    ['NUL in a dedupe key', event({ dedupeKey: '\0a' }), /^dedupeKey .*NUL/],
    ['a broken dedupe key', event({ dedupeKey: '\ud800' }), /^dedupeKey .*surrogate/],
    ['no dedupe time', event({ dedupeKey: 'a', dedupeTtlMs: 0 }), /^dedupeTtlMs must be/],
    ['one beyond all numbers', event({ dedupeKey: 'a', dedupeTtlMs: 2 ** 53 - 1 }), /^dedupeTtlMs/],
    ['half a millisecond', event({ dedupeKey: 'a', dedupeTtlMs: 1.5 }), /^dedupeTtlMs/],
    [
      'retries below 0',
      event({ retries: -1 }),
      /^retries must be a whole number from 0 to 1000000/,
    ],
    ['half a retry', event({ retries: 0.5 }), /^retries must be/],
    ['retries as text', event({ retries: '3' }), /^retries must be/],
    ['too many retries', event({ retries: 1_000_001 }), /^retries must be/],
    [
      'a delay below 0',
      event({ delayMs: -1 }),
      /^delayMs must be a whole number from 0 to 86400000/,
    ],
    ['more than a day', event({ delayMs: 86_400_001 }), /^delayMs must be/],
    ['an endless one', event({ dedupeKey: 'a', dedupeTtlMs: 1 / 0 }), /^dedupeTtlMs must be/],
  ])('%s', (_, given, message) => {
    expect(() => encode(given)).toThrow(message);
    expect(() => encode(given)).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }));
  });
});

describe('the size limit', () => {
  const sizeOf = (given: Record<string, unknown>) => {
    for (let max = 1; ; max += 1) {
      try {
        encode(event(given), max);
        return max;
      } catch (error) {
        expect(error).toMatchObject({ code: 'EVENT_TOO_LARGE' });
        const { details } = error as { details: { bytes: number } };
        max = details.bytes - 1;
      }
    }
  };

  it('accepts exactly the limit and refuses one byte more', () => {
    const size = sizeOf({ value: 'x'.repeat(500) });
    expect(() => encode(event({ value: 'x'.repeat(500) }), size)).not.toThrow();
    expect(() => encode(event({ value: 'x'.repeat(501) }), size)).toThrow(
      expect.objectContaining({
        code: 'EVENT_TOO_LARGE',
        details: { topic: 'orders', bytes: size + 1 },
      }),
    );
  });

  it('counts key, header names and values in bytes, and what Kafka adds', () => {
    const empty = sizeOf({ value: '' });
    expect(sizeOf({ value: '', key: 'é' }) - empty).toBe(2);
    expect(sizeOf({ value: null })).toBe(empty);
    // A record of nothing still carries our three headers and Kafka's own framing.
    expect(empty).toBeGreaterThanOrEqual(126 + 20);
    const withHeader = sizeOf({ value: '', headers: { ab: 'cd' } }) - empty;
    expect(withHeader).toBeGreaterThan(4);
    expect(withHeader).toBeLessThanOrEqual(4 + 10);
  });
});

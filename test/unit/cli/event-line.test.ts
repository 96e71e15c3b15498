import { describe, expect, it } from 'vitest';
import { parseEventLine } from '../../../src/cli/event-line.ts';

const whole = { topic: undefined, keyField: undefined };
const parse = (line: unknown, rules: Parameters<typeof parseEventLine>[1] = whole) =>
  parseEventLine(Buffer.from(typeof line === 'string' ? line : JSON.stringify(line)), rules);

describe('a line that is an event', () => {
  it('has the fields of one', () => {
    const line = {
      topic: 'orders',
      key: '42',
      value: { total: 19.9 },
      headers: { source: 'shop' },
      partition: 3,
      dedupeKey: 'order-42',
    };
    expect(parse(line)).toEqual(line);
  });

  it('may hold bytes as base64', () => {
    const event = parse({ topic: 't', valueBase64: '/wA=' });
    expect(event).toEqual({ topic: 't', value: Buffer.from([0xff, 0x00]) });
  });

  it('keeps null apart from nothing: a tombstone', () => {
    expect(parse({ topic: 't', key: 'k', value: null })).toEqual({
      topic: 't',
      key: 'k',
      value: null,
    });
  });

  it('that is blank is none', () => {
    expect(parse('  \t ')).toBeNull();
  });

  it.each([
    ['not JSON', '{"topic": "secret"', /^is not JSON/],
    ['no object', '[1]', /is not a JSON object/],
    ['null', 'null', /is not a JSON object/],
    ['an unknown field', { topic: 't', value: 1, Key: 'k' }, /has "Key"; the fields are topic/],
    ['no value', { topic: 't' }, /either value or valueBase64/],
    ['two values', { topic: 't', value: 1, valueBase64: 'AA==' }, /either value or valueBase64/],
    ['base64 without padding', { topic: 't', valueBase64: 'AA' }, /not base64/],
    ['base64 of no text', { topic: 't', valueBase64: 7 }, /not base64/],
    ['something else than base64', { topic: 't', valueBase64: '%%%%' }, /not base64/],
  ])('is refused: %s', (_, line, message) => {
    expect(() => parse(line)).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }));
    expect(() => parse(line)).toThrow(message);
  });

  it('shows no payload when it is not JSON', () => {
    expect(() => parse('{"value": secret}')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    );
  });

  it('is refused when it is not UTF-8', () => {
    expect(() => parseEventLine(Buffer.from([0x22, 0xff, 0x22]), whole)).toThrow(/not UTF-8/);
  });
});

describe('a line under --topic', () => {
  const flights = { topic: 'flights', keyField: 'origin' };

  it('is the value, byte by byte, and its field the key', () => {
    const line = ' {"origin": "SFO",  "n": 1.0}';
    expect(parse(line, flights)).toEqual({
      topic: 'flights',
      key: 'SFO',
      value: Buffer.from(line),
    });
  });

  it('has no key without --key-field', () => {
    const event = parse('"text"', { topic: 't', keyField: undefined });
    expect(event).toEqual({ topic: 't', key: null, value: Buffer.from('"text"') });
  });

  it('takes a whole number for a key', () => {
    expect(parse({ origin: 12 }, flights)?.key).toBe('12');
  });

  it.each([
    ['missing', {}],
    ['inherited', { constructor: 1 }],
    ['null', { origin: null }],
    ['a fraction', { origin: 1.5 }],
    ['an object', { origin: {} }],
  ])('is refused when its key is %s', (_, line) => {
    expect(() => parse(line, flights)).toThrow(/its field "origin", the key/);
  });

  it('is refused when its key has more digits than a number keeps', () => {
    expect(() => parse('{"origin": 12345678901234567890}', flights)).toThrow(/the key/);
  });
});

describe('numbers', () => {
  const stored = (text: string) => JSON.stringify(parse(`{"topic":"t","value":${text}}`)?.value);

  it.each([
    '12345678901234567890',
    '1e999',
    '-1E-7',
    '0.1000000000000000055511151231257827',
    '[1,{"a":9007199254740993}]',
    '1',
    '"1e999"',
  ])('are stored as they are written: %s', (text) => {
    expect(stored(text)).toBe(text);
  });

  it('of a partition are plain', () => {
    expect(parse('{"topic":"t","value":1,"partition":1e0}')?.partition).toBe(1);
  });
});

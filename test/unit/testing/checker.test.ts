/** The checker sees each kind of damage, and no other. */
import { describe, expect, it } from 'vitest';
import type { StampedRecord } from '../../../scripts/demo/consumed.ts';
import {
  acceptedEvent,
  checkDelivery,
  hashOf,
  unknownEvent,
} from '../../../src/testing/checker.ts';
import { soundLog, withRecord, withSwapped } from './logs.ts';

const events = 40;
const { ledger, consumed } = soundLog(events);
const find = (records: readonly StampedRecord[]) => checkDelivery(ledger, records);
const sound = {
  accepted: events,
  delivered: events,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  mismatched: 0,
  unissued: 0,
  late: 0,
  unknown: 0,
  examples: [],
};

describe('the checker', () => {
  it('finds nothing wrong with a sound log, in whatever order it was read', () => {
    expect(find(consumed)).toEqual(sound);
    expect(find(consumed.toReversed())).toEqual(sound);
  });

  it('sees a dropped event', () => {
    const found = find(withRecord(consumed, 17, () => []));
    expect(found).toMatchObject({ lost: 1, delivered: events - 1, reordered: 0 });
    expect(found.examples[0]).toContain('lost: number 18');
  });

  it('tells of ten faults, and counts all', () => {
    const found = find([]);
    expect(found).toMatchObject({ lost: events, delivered: 0 });
    expect(found.examples).toHaveLength(10);
  });

  it('counts each repeat, and no repeat as disorder', () => {
    const again = consumed
      .slice(4, 14)
      .map((record) => ({ ...record, offset: record.offset + 90 }));
    expect(find([...consumed, ...again, ...again])).toEqual({ ...sound, duplicated: 20 });
  });

  it('sees two events of a key that changed places', () => {
    expect(find(withSwapped(consumed, 8, 12))).toMatchObject({ reordered: 1, lost: 0 });
  });

  it('does not mind the order of two keys', () => {
    expect(find(withSwapped(consumed, 8, 10))).toEqual(sound);
  });

  it('sees a key in two partitions: there is no order between them', () => {
    // The last one of its key: by its number it is in its place.
    const moved = withRecord(consumed, 36, (record) => [{ ...record, partition: 5 }]);
    expect(find(moved)).toMatchObject({ reordered: 1, lost: 0 });
  });

  it('sees an altered value, and does not take it for a delivery', () => {
    const altered = withRecord(consumed, 3, (record) => [{ ...record, hash: hashOf('other') }]);
    expect(find(altered)).toMatchObject({ mismatched: 1, lost: 1, duplicated: 0 });
  });

  it('sees an altered key', () => {
    const altered = withRecord(consumed, 3, (record) => [{ ...record, key: null }]);
    expect(find(altered)).toMatchObject({ mismatched: 1, lost: 1 });
  });

  it('sees a record that nobody published, with and without an id', () => {
    const stranger = {
      topic: 'flights',
      partition: 0,
      offset: 900,
      id: 'x',
      key: 'SFO',
      appendedAtMs: 0,
    };
    const strangers = [
      { ...stranger, hash: hashOf('a') },
      { ...stranger, id: null, hash: hashOf('b') },
    ];
    expect(find([...consumed, ...strangers])).toEqual({
      ...sound,
      unissued: 2,
      examples: [expect.any(String), expect.any(String)],
    });
  });

  it('takes an unknown outcome for neither accepted nor unissued', () => {
    const unknown = [unknownEvent({ topic: 'flights', key: 'SFO', value: 'maybe' })];
    const place = { topic: 'flights', partition: 0, offset: 900 };
    const maybe = { ...place, id: 'y', key: 'SFO', hash: hashOf('maybe') };
    const doubtful = { accepted: ledger.accepted, unknown };
    const records = [...consumed, { ...maybe, appendedAtMs: 0 }];
    expect(checkDelivery(doubtful, records)).toEqual({ ...sound, unknown: 1 });
    expect(checkDelivery(doubtful, consumed)).toEqual({ ...sound, unknown: 1 });
    const elsewhere = records.map((one) => (one.id === 'y' ? { ...one, topic: 'others' } : one));
    expect(checkDelivery(doubtful, elsewhere)).toMatchObject({ unknown: 1, unissued: 1 });
  });

  it('counts what an unknown outcome does not explain', () => {
    const unknown = [unknownEvent({ topic: 'flights', key: 'SFO', value: 'maybe' })];
    const records = ['y', 'y', 'z'].map((id, index) => {
      const place = { topic: 'flights', partition: 0, offset: 900 + index };
      return { ...place, id, key: 'SFO', hash: hashOf('maybe'), appendedAtMs: 0 };
    });
    const found = checkDelivery({ accepted: ledger.accepted, unknown }, [...consumed, ...records]);
    expect(found).toMatchObject({ duplicated: 1, unissued: 1 });
  });

  it('sees a record in another topic than its event', () => {
    const moved = withRecord(consumed, 3, (record) => [{ ...record, topic: 'others' }]);
    expect(find(moved)).toMatchObject({ mismatched: 1, lost: 1, unissued: 0 });
  });

  it('looks for order within each topic alone, though two have the same keys and offsets', () => {
    const two = soundLog(events, ['flights', 'bookings']);
    const check = (records: readonly StampedRecord[]) => checkDelivery(two.ledger, records);
    expect(check(two.consumed)).toEqual(sound);
    // Numbers 1 and 9 are of one topic and key, 2 is the same key's in the other topic.
    expect(check(withSwapped(two.consumed, 0, 8))).toMatchObject({ reordered: 1, lost: 0 });
    const bookingsFirst = two.consumed.toSorted((a, b) => a.topic.localeCompare(b.topic));
    expect(check(bookingsFirst)).toEqual(sound);
    expect(check(two.consumed.filter(({ topic }) => topic === 'flights'))).toMatchObject({
      lost: events / 2,
      delivered: events / 2,
    });
  });

  it('knows no order without a key', () => {
    const accepted = ledger.accepted.map((event) => ({ ...event, key: null }));
    const keyless = consumed.map((record) => ({ ...record, key: null }));
    expect(checkDelivery({ accepted }, withSwapped(keyless as never, 8, 12))).toEqual(sound);
  });

  it('takes the list for the order when events have no number', () => {
    const accepted = ledger.accepted.map(({ number: _, ...event }) => event);
    expect(checkDelivery({ accepted }, consumed)).toEqual(sound);
    const found = checkDelivery({ accepted: accepted.toReversed() }, consumed);
    expect(found.reordered).toBe(events - 4);
  });

  it('counts as late what came later than asked, by the first of its records', () => {
    const late = (records: readonly StampedRecord[], lateAfterMs: number) =>
      checkDelivery(ledger, records, { lateAfterMs }).late;
    expect(late(consumed, 5)).toBe(0);
    expect(late(consumed, 4)).toBe(events);
    const tardy = (record: StampedRecord) => ({ ...record, appendedAtMs: 9_000 });
    expect(
      late(
        withRecord(consumed, 7, (record) => [tardy(record)]),
        5,
      ),
    ).toBe(1);
    const repeat = (record: StampedRecord) => ({ ...tardy(record), offset: 90 });
    expect(
      late(
        withRecord(consumed, 7, (one) => [one, repeat(one)]),
        5,
      ),
    ).toBe(0);
    expect(
      late(
        withRecord(consumed, 7, () => []),
        5,
      ),
    ).toBe(0); // lost is not late
  });

  it('does not say that nothing is late when records do not tell', () => {
    const silent = consumed.map((record) => ({ ...record, appendedAtMs: null }));
    expect(checkDelivery(ledger, silent)).toEqual(sound);
    expect(() => checkDelivery(ledger, silent, { lateAfterMs: 5 })).toThrow(
      expect.objectContaining({ code: 'CHECK_INPUT' }),
    );
  });

  it('refuses a ledger that names an id twice', () => {
    const twice = [...ledger.accepted, ...ledger.accepted.slice(0, 1)];
    expect(() => checkDelivery({ accepted: twice }, consumed)).toThrow(
      expect.objectContaining({ code: 'CHECK_INPUT' }),
    );
  });
});

describe('an event for the checker', () => {
  it('has the bytes that were given: text and bytes as they are, the rest as JSON', () => {
    const event = (value: unknown, key?: string | Uint8Array) =>
      acceptedEvent({ topic: 't', value, ...(key === undefined ? {} : { key }) }, { id: 'i' }, 7);
    const bytes = new TextEncoder().encode('text');
    expect(event('text', 'k')).toEqual({
      id: 'i',
      topic: 't',
      key: 'k',
      hash: hashOf('text'),
      atMs: 7,
    });
    expect(event(bytes, bytes)).toMatchObject({ key: 'text', hash: hashOf('text') });
    expect(event({ a: 1 })).toMatchObject({ key: null, hash: hashOf('{"a":1}') });
  });

  it('tells a tombstone from an empty value', () => {
    expect(hashOf(null)).not.toBe(hashOf(''));
    expect(unknownEvent({ topic: 't', value: null }).hash).toBe(hashOf(null));
  });
});

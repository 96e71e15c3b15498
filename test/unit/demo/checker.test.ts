import { describe, expect, it } from 'vitest';
import { check, measureRecovery } from '../../../scripts/demo/checker.ts';
import type { ConsumedRecord } from '../../../scripts/demo/consumed.ts';
import { hashOf } from '../../../scripts/demo/ledger.ts';
import { soundLog, withRecord, withSwapped } from './logs.ts';

const events = 40;
const { ledger, consumed } = soundLog(events);
const find = (records: readonly ConsumedRecord[]) => check(ledger, records);
const sound = {
  accepted: events,
  delivered: events,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  mismatched: 0,
  unissued: 0,
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
    const moved = withRecord(consumed, 20, (record) => [{ ...record, partition: 5 }]);
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
    const stranger = { partition: 0, offset: 900, id: 'x', key: 'SFO', appendedAtMs: 0 };
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
    const unknown = [{ key: 'SFO', hash: hashOf('maybe'), atMs: 1 }];
    const maybe = { partition: 0, offset: 900, id: 'y', key: 'SFO', hash: hashOf('maybe') };
    const doubtful = { accepted: ledger.accepted, unknown };
    const records = [...consumed, { ...maybe, appendedAtMs: 0 }];
    expect(check(doubtful, records)).toEqual({ ...sound, unknown: 1 });
    expect(check(doubtful, consumed)).toEqual({ ...sound, unknown: 1 });
  });

  it('refuses a ledger that names an id twice', () => {
    const twice = [...ledger.accepted, ...ledger.accepted.slice(0, 1)];
    expect(() => check({ accepted: twice, unknown: [] }, consumed)).toThrow('twice');
  });
});

describe('measuring the recovery', () => {
  // Accepted at 1,000 … 1,039; dead from 1,010 to 1,020, answering at 1,030.
  const times = { killedAtMs: 1_010, startedAtMs: 1_020, answeredAtMs: 1_030 };
  const delayed = (appendedAtMs: (number: number) => number) =>
    consumed.map((record, at) => ({ ...record, appendedAtMs: appendedAtMs(at + 1) }));

  it('takes the moments from the broker’s append times', () => {
    // Until number 10 at once; 11 to 31 at 1,530 … 2,530; the others later still.
    const records = delayed((number) => (number <= 10 ? 1_005 : 1_530 + (number - 11) * 50));
    expect(measureRecovery(ledger, records, times)).toEqual({
      acceptedDuringOutage: 10,
      firstDeliverySeconds: 0.5,
      drainSeconds: 1.5,
      drainPerSecond: 14,
    });
  });

  it('measures a delivery by the first of its repeats', () => {
    const records = delayed((number) => (number <= 10 ? 1_005 : 1_530));
    const repeats = records.map((record) => ({ ...record, appendedAtMs: 9_000 }));
    const found = measureRecovery(ledger, [...repeats, ...records], times);
    expect(found).toMatchObject({ firstDeliverySeconds: 0.5, drainSeconds: 0.5 });
  });

  it('has no number where nothing came after the outage', () => {
    const found = measureRecovery(ledger, consumed.slice(0, 10), times);
    expect(found).toMatchObject({ firstDeliverySeconds: null, drainSeconds: null });
  });
});

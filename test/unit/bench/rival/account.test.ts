import { describe, expect, it } from 'vitest';
import { accountFor } from '../../../../scripts/bench/rival/account.ts';

const times = { killedAtMs: 1_000, startedAtMs: 11_000, answeredAtMs: 15_000 };
const acceptedAt = (number: number, atMs: number) => {
  return { topic: 'outage', number, id: String(number), key: 'key', hash: `hash-${number}`, atMs };
};
const record = (number: number, offset: number, appendedAtMs: number) => {
  return {
    topic: 'outage',
    partition: 0,
    offset,
    id: String(number),
    key: 'key',
    hash: `hash-${number}`,
    appendedAtMs,
  };
};
const accepted = [acceptedAt(0, 500), acceptedAt(1, 5_000), acceptedAt(2, 6_000)];
const own = { waiting: 0, abandoned: 0, crashes: 0 };

describe('the account of an outage', () => {
  it('times the first delivery and the last from the moment that the broker was back', () => {
    const consumed = [record(0, 0, 510), record(1, 1, 15_400), record(2, 2, 17_000)];
    expect(accountFor({ accepted, consumed, times, ...own })).toEqual({
      accepted: 3,
      delivered: 3,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      ...own,
      firstDeliverySeconds: 0.4,
      drainedSeconds: 2,
    });
  });

  it('is never drained when an event is missing, given up or not', () => {
    const consumed = [record(0, 0, 510), record(2, 1, 15_400)];
    const told = { waiting: 0, abandoned: 1, crashes: 2 };
    expect(accountFor({ accepted, consumed, times, ...told })).toMatchObject({
      delivered: 2,
      lost: 1,
      abandoned: 1,
      crashes: 2,
      firstDeliverySeconds: 0.4,
      drainedSeconds: null,
    });
    const nothing = accountFor({ accepted, consumed: [], times, ...own, waiting: 3 });
    expect(nothing).toMatchObject({ lost: 3, waiting: 3, firstDeliverySeconds: null });
  });

  it('counts repeats and what came out of order', () => {
    const late = [record(2, 1, 15_100), record(1, 2, 15_200), record(2, 3, 15_300)];
    const consumed = [record(0, 0, 510), ...late];
    expect(accountFor({ accepted, consumed, times, ...own })).toMatchObject({
      delivered: 3,
      duplicated: 1,
      reordered: 1,
    });
  });

  it('is refused when the topic holds what nobody sent', () => {
    const consumed = [record(9, 0, 510)];
    expect(() => accountFor({ accepted, consumed, times, ...own })).toThrow(/unissued/);
  });
});

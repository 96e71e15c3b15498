import { describe, expect, it } from 'vitest';
import { measureRecovery } from '../../../scripts/demo/recovery.ts';
import { soundLog } from '../testing/logs.ts';

const { ledger, consumed } = soundLog(40);

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

/** What became of the events of an outage: from the topic alone, whoever delivered them. Pure. */
import { checkDelivery } from '../../../src/testing/checker.ts';
import type { StampedRecord } from '../../demo/consumed.ts';
import type { LedgerEvent } from '../../demo/ledger.ts';
import { measureRecovery, type OutageTimes } from '../../demo/recovery.ts';

export interface Witnessed {
  readonly accepted: readonly LedgerEvent[];
  readonly consumed: readonly StampedRecord[];
  readonly times: OutageTimes;
  /** What the side itself says, when the wait for it was over. */
  readonly waiting: number;
  readonly abandoned: number;
  /** How often its process died by itself. */
  readonly crashes: number;
}

export interface Account {
  readonly accepted: number;
  /** Accepted events that are in the topic. */
  readonly delivered: number;
  /** Accepted events that are not in the topic when the wait is over. */
  readonly lost: number;
  /** Events that the side has given up, and those that it says it has still to deliver. */
  readonly abandoned: number;
  readonly waiting: number;
  readonly crashes: number;
  /** Records beyond the first of each event. */
  readonly duplicated: number;
  /** First deliveries that came after one of a later event of their key. */
  readonly reordered: number;
  /** From the broker's return to the first record, and to all that waited; `null`: never. */
  readonly firstDeliverySeconds: number | null;
  readonly drainedSeconds: number | null;
}

/** Throws when the topic holds what nobody has sent: then it is not this run's topic. */
export function accountFor({ accepted, consumed, times, ...own }: Witnessed): Account {
  const ledger = { accepted, unknown: [] };
  const { delivered, lost, duplicated, reordered, ...found } = checkDelivery(ledger, consumed);
  if (found.unissued + found.mismatched > 0) throw new Error(found.examples.join('; '));
  const { firstDeliverySeconds, drainSeconds } = measureRecovery(ledger, consumed, times);
  const drainedSeconds = lost === 0 ? drainSeconds : null;
  const counts = { accepted: accepted.length, delivered, lost, duplicated, reordered };
  return { ...counts, ...own, firstDeliverySeconds, drainedSeconds };
}

/** How a backlog went after an outage: pure functions over ledger and consumed records. */
import type { StampedRecord } from './consumed.ts';
import type { Ledger, LedgerEvent } from './ledger.ts';

/** Wall-clock moments of the outage, milliseconds. */
export interface OutageTimes {
  /** The broker was dead. */
  readonly killedAtMs: number;
  /** Its container was started again. */
  readonly startedAtMs: number;
  /** The separate probe had its first answer. */
  readonly answeredAtMs: number;
}

export interface Recovery {
  /** Events accepted while the broker was certainly dead. */
  readonly acceptedDuringOutage: number;
  /** From the probe's first answer to the first new record; 0 when the relay was faster. */
  readonly firstDeliverySeconds: number | null;
  /** From the probe's first answer until all that had waited for it was delivered. */
  readonly drainSeconds: number | null;
  /** Events delivered per second meanwhile, those accepted during the drain included. */
  readonly drainPerSecond: number | null;
}

/**
 * How the backlog went, from the publisher's clock and the broker's append times (one machine,
 * one clock). `null` where nothing was delivered after the outage.
 */
export function measureRecovery(
  ledger: Ledger,
  consumed: readonly StampedRecord[],
  times: OutageTimes,
): Recovery {
  const { killedAtMs, startedAtMs, answeredAtMs } = times;
  const between = ({ atMs }: LedgerEvent) => atMs >= killedAtMs && atMs < startedAtMs;
  const acceptedDuringOutage = ledger.accepted.filter(between).length;
  const firstAppends = firstAppendTimes(consumed);
  const isNew = (ms: number) => ms >= startedAtMs;
  const newAppends = [...firstAppends.values()].filter(isNew);
  const waiting = ledger.accepted
    .filter(({ atMs }) => atMs <= answeredAtMs)
    .map(({ id }) => firstAppends.get(id) ?? Number.NaN)
    .filter(isNew);
  if (newAppends.length === 0 || waiting.length === 0) {
    const nothing = { firstDeliverySeconds: null, drainSeconds: null, drainPerSecond: null };
    return { acceptedDuringOutage, ...nothing };
  }
  const firstMs = newAppends.reduce((a, b) => Math.min(a, b));
  const drainedMs = waiting.reduce((a, b) => Math.max(a, b));
  const drained = newAppends.filter((ms) => ms <= drainedMs).length;
  const drainSeconds = Math.max(0, drainedMs - answeredAtMs) / 1_000;
  return {
    acceptedDuringOutage,
    firstDeliverySeconds: Math.max(0, firstMs - answeredAtMs) / 1_000,
    drainSeconds,
    drainPerSecond: drainSeconds === 0 ? null : Math.round(drained / drainSeconds),
  };
}

function firstAppendTimes(consumed: readonly StampedRecord[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { id, appendedAtMs } of consumed) {
    if (id === null) continue;
    const known = times.get(id);
    if (known === undefined || appendedAtMs < known) times.set(id, appendedAtMs);
  }
  return times;
}

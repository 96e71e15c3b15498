/**
 * The checker: pure functions over what was accepted and what was consumed.
 *
 * It trusts neither the outbox nor the relay: an event is compared by its id, key and value hash;
 * order within a key is the publisher's own order of calls (number) against the order of offsets.
 * Repeats are duplicates and never count as disorder. Its own tests show that it sees each kind of
 * damage.
 */
import type { ConsumedRecord } from './consumed.ts';
import type { AcceptedEvent, Ledger } from './ledger.ts';

export interface Findings {
  readonly accepted: number;
  /** Accepted events that were consumed at least once, unaltered. */
  readonly delivered: number;
  /** accepted - delivered */
  readonly lost: number;
  /** Records beyond the first of each accepted event. */
  readonly duplicated: number;
  /** First deliveries that came after one of a later event of their key. */
  readonly reordered: number;
  /** Records of accepted events whose key or value differs from what was accepted. */
  readonly mismatched: number;
  /** Records that nobody published. */
  readonly unissued: number;
  /** Publishes that ended in OUTCOME_UNKNOWN; they count as neither accepted nor unissued. */
  readonly unknown: number;
  /** A few of the faults in words, for whoever looks for the cause. */
  readonly examples: readonly string[];
}

const examplesMax = 10;

/** Accounts for every event and every record. Throws on a ledger that names an id twice. */
export function check(ledger: Ledger, consumed: readonly ConsumedRecord[]): Findings {
  const byId = new Map(ledger.accepted.map((event) => [event.id, event]));
  if (byId.size !== ledger.accepted.length) throw new Error('the ledger names an event id twice');
  const examples: string[] = [];
  const note = (text: string) => {
    if (examples.length < examplesMax) examples.push(text);
  };
  const counts = { duplicated: 0, mismatched: 0, unissued: 0 };
  const unknownHashes = new Set(ledger.unknown.map((event) => event.hash));
  const first = new Map<AcceptedEvent, ConsumedRecord>();
  for (const record of inOffsetOrder(consumed)) {
    const event = record.id === null ? undefined : byId.get(record.id);
    if (event === undefined) {
      if (unknownHashes.has(record.hash)) continue;
      counts.unissued += 1;
      note(`unissued: ${placeOf(record)}, id ${record.id}`);
    } else if (event.hash !== record.hash || event.key !== record.key) {
      counts.mismatched += 1;
      note(`mismatched: number ${event.number}, ${placeOf(record)}`);
    } else if (first.has(event)) {
      counts.duplicated += 1;
    } else {
      first.set(event, record);
    }
  }
  for (const event of ledger.accepted) {
    if (!first.has(event)) note(`lost: number ${event.number}, key ${event.key}, id ${event.id}`);
  }
  const reordered = countReordered(first, note);
  const accepted = ledger.accepted.length;
  const lost = accepted - first.size;
  const unknown = ledger.unknown.length;
  return { accepted, delivered: first.size, lost, ...counts, reordered, unknown, examples };
}

/**
 * Walks the first deliveries of each key. A key found in two partitions has no order between
 * them, so whatever lies outside the partition of its first event counts as reordered.
 */
function countReordered(
  first: ReadonlyMap<AcceptedEvent, ConsumedRecord>,
  note: (text: string) => void,
): number {
  const heads = new Map<string, { partition: number; number: number }>();
  let reordered = 0;
  for (const [event, record] of first) {
    const head = heads.get(event.key);
    if (head === undefined) {
      heads.set(event.key, { partition: record.partition, number: event.number });
    } else if (head.partition === record.partition && head.number < event.number) {
      head.number = event.number;
    } else {
      reordered += 1;
      const order = `number ${event.number} after ${head.number}`;
      note(`reordered: key ${event.key}, ${order}, ${placeOf(record)}`);
    }
  }
  return reordered;
}

function inOffsetOrder(consumed: readonly ConsumedRecord[]): ConsumedRecord[] {
  return consumed.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
}

function placeOf(record: ConsumedRecord): string {
  return `partition ${record.partition} offset ${record.offset}`;
}

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
  consumed: readonly ConsumedRecord[],
  times: OutageTimes,
): Recovery {
  const { killedAtMs, startedAtMs, answeredAtMs } = times;
  const between = ({ atMs }: AcceptedEvent) => atMs >= killedAtMs && atMs < startedAtMs;
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

function firstAppendTimes(consumed: readonly ConsumedRecord[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { id, appendedAtMs } of consumed) {
    if (id === null) continue;
    const known = times.get(id);
    if (known === undefined || appendedAtMs < known) times.set(id, appendedAtMs);
  }
  return times;
}

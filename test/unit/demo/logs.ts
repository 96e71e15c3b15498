/** A small, sound pair of ledger and consumed records for the demo's tests to damage. */
import type { ConsumedRecord } from '../../../scripts/demo/consumed.ts';
import { type AcceptedEvent, hashOf, type Ledger } from '../../../scripts/demo/ledger.ts';

export interface Log {
  readonly ledger: Ledger;
  readonly consumed: ConsumedRecord[];
}

const keys = ['SFO', 'JFK', 'ATL', 'ORD'];

/** `events` accepted in turn over four keys, each key in one of two partitions, all delivered. */
export function soundLog(events: number): Log {
  const accepted: AcceptedEvent[] = Array.from({ length: events }, (_, at) => ({
    number: at + 1,
    id: `id-${at + 1}`,
    key: keys[at % keys.length] as string,
    hash: hashOf(`value ${at + 1}`),
    atMs: 1_000 + at,
  }));
  const offsets = [0, 0];
  const consumed = accepted.map(({ id, key, hash, atMs }): ConsumedRecord => {
    const partition = keys.indexOf(key) % 2;
    const offset = offsets[partition] as number;
    offsets[partition] = offset + 1;
    return { partition, offset, id, key, hash, appendedAtMs: atMs + 5 };
  });
  return { ledger: { accepted, unknown: [] }, consumed };
}

/** The records with the one at this place replaced, repeated or left out. */
export function withRecord(
  consumed: readonly ConsumedRecord[],
  at: number,
  change: (record: ConsumedRecord) => readonly ConsumedRecord[],
): ConsumedRecord[] {
  return consumed.flatMap((record, place) => (place === at ? change(record) : [record]));
}

/** The same records, but these two have changed places in their partition. */
export function withSwapped(consumed: readonly ConsumedRecord[], a: number, b: number) {
  const [one, other] = [consumed[a], consumed[b]];
  if (one === undefined || other === undefined) throw new RangeError('no such record');
  return consumed.map((record) => {
    if (record === one) return { ...one, offset: other.offset };
    return record === other ? { ...other, offset: one.offset } : record;
  });
}

/** A small, sound pair of ledger and consumed records for tests to damage. */
import type { StampedRecord } from '../../../scripts/demo/consumed.ts';
import type { LedgerEvent } from '../../../scripts/demo/ledger.ts';
import { hashOf } from '../../../src/testing/checker.ts';

export interface Log {
  readonly ledger: { readonly accepted: readonly LedgerEvent[]; readonly unknown: [] };
  readonly consumed: StampedRecord[];
}

const keys = ['SFO', 'JFK', 'ATL', 'ORD'];

/**
 * `events` accepted in turn over the topics and four keys, which all topics share, each key in one
 * of two partitions, all delivered 5 ms after their acceptance.
 */
export function soundLog(events: number, topics: readonly string[] = ['flights']): Log {
  const accepted: LedgerEvent[] = Array.from({ length: events }, (_, at) => ({
    number: at + 1,
    id: `id-${at + 1}`,
    topic: topics[at % topics.length] as string,
    key: keys[Math.floor(at / topics.length) % keys.length] as string,
    hash: hashOf(`value ${at + 1}`),
    atMs: 1_000 + at,
  }));
  const offsets = new Map<string, number>();
  const consumed = accepted.map(({ id, topic, key, hash, atMs }): StampedRecord => {
    const partition = keys.indexOf(key) % 2;
    const offset = offsets.get(`${topic}/${partition}`) ?? 0;
    offsets.set(`${topic}/${partition}`, offset + 1);
    return { topic, partition, offset, id, key, hash, appendedAtMs: atMs + 5 };
  });
  return { ledger: { accepted, unknown: [] }, consumed };
}

/** The records with the one at this place replaced, repeated or left out. */
export function withRecord<R extends StampedRecord>(
  consumed: readonly R[],
  at: number,
  change: (record: R) => readonly R[],
): R[] {
  return consumed.flatMap((record, place) => (place === at ? change(record) : [record]));
}

/** The same records, but these two have changed places in their partition. */
export function withSwapped(consumed: readonly StampedRecord[], a: number, b: number) {
  const [one, other] = [consumed[a], consumed[b]];
  if (one === undefined || other === undefined) throw new RangeError('no such record');
  return consumed.map((record) => {
    if (record === one) return { ...one, offset: other.offset };
    return record === other ? { ...other, offset: one.offset } : record;
  });
}

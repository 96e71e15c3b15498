/** From a batch and its acknowledgements to where its events are. Pure. */
import type { LedgerEntry } from '../outbox/held.ts';
import type { PartitionAck } from '../sink/driver.ts';
import type { Batch } from './batch.ts';

export function ledgerOf(batch: Batch, acks: readonly PartitionAck[]): LedgerEntry[] {
  const offsets = new Map(
    acks.map(({ topic, partition, baseOffset }) => [`${topic}[${partition}]`, baseOffset]),
  );
  const entries = new Map<string, { -readonly [field in keyof LedgerEntry]: LedgerEntry[field] }>();
  for (const [index, { topic, partition }] of batch.records.entries()) {
    const seq = (batch.events[index] as { seq: number }).seq;
    const name = `${topic}[${partition}]`;
    const entry = entries.get(name);
    if (entry !== undefined) {
      entry.firstSeq = Math.min(entry.firstSeq, seq);
      entry.lastSeq = Math.max(entry.lastSeq, seq);
      entry.events += 1;
      continue;
    }
    const base = offsets.get(name) ?? null;
    // Kafka answers -1 for a batch that it takes for a repeat.
    const firstOffset = base === null || base < 0n ? null : Number(base);
    entries.set(name, { topic, partition, firstSeq: seq, lastSeq: seq, events: 1, firstOffset });
  }
  return [...entries.values()];
}

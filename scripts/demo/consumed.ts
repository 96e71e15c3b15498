/**
 * What the independent consumer saw, one record a line:
 * `[partition, offset, id, key, sha256 of the value, ms]`; id and key may be null.
 */
import { readLines } from './ledger.ts';

export interface ConsumedRecord {
  readonly partition: number;
  readonly offset: number;
  /** Header `outbox-event-id`; `null` when the record has none. */
  readonly id: string | null;
  readonly key: string | null;
  /** SHA-256 of the value, hex. */
  readonly hash: string;
  /** When the broker appended it: the topic's timestamps are LogAppendTime. */
  readonly appendedAtMs: number;
}

export function consumedLine(record: ConsumedRecord): string {
  const { partition, offset, id, key, hash, appendedAtMs } = record;
  return JSON.stringify([partition, offset, id, key, hash, appendedAtMs]);
}

/** Reads a file of consumed records. Throws with file and line number on anything else. */
export function readConsumed(path: string): ConsumedRecord[] {
  const records: ConsumedRecord[] = [];
  readLines(path, ([partition, offset, id, key, hash, appendedAtMs, ...rest]) => {
    if (
      !Number.isSafeInteger(partition) ||
      !Number.isSafeInteger(offset) ||
      !(id === null || typeof id === 'string') ||
      !(key === null || typeof key === 'string') ||
      typeof hash !== 'string' ||
      typeof appendedAtMs !== 'number' ||
      rest.length > 0
    ) {
      throw new TypeError('not a consumed record');
    }
    const place = { partition: partition as number, offset: offset as number };
    records.push({ ...place, id, key, hash, appendedAtMs });
  });
  return records;
}

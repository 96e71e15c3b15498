/**
 * What the independent consumer saw, one record a line:
 * `[topic, partition, offset, id, key, sha256 of the value, ms]`; id and key may be null.
 */
import type { ConsumedRecord } from '../../src/testing/checker.ts';
import { readLines } from './ledger.ts';

/** The topic's timestamps are LogAppendTime, so each tells when the broker appended it. */
export interface StampedRecord extends ConsumedRecord {
  readonly appendedAtMs: number;
}

export function consumedLine(record: StampedRecord): string {
  const { topic, partition, offset, id, key, hash, appendedAtMs } = record;
  return JSON.stringify([topic, partition, offset, id, key, hash, appendedAtMs]);
}

/** Reads a file of consumed records. Throws with file and line number on anything else. */
export function readConsumed(path: string): StampedRecord[] {
  const records: StampedRecord[] = [];
  readLines(path, ([topic, partition, offset, id, key, hash, appendedAtMs, ...rest]) => {
    if (
      typeof topic !== 'string' ||
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
    const place = { topic, partition: partition as number, offset: offset as number };
    records.push({ ...place, id, key, hash, appendedAtMs });
  });
  return records;
}

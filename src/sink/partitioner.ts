/**
 * Where a record goes, computed once by the relay so that every driver places a key alike and a
 * retry cannot move a record.
 */

/**
 * Kafka's murmur2, as in the Java client (org.apache.kafka.common.utils.Utils), on 32-bit
 * integers. Returns a signed number.
 */
export function murmur2(data: Uint8Array): number {
  const { length } = data;
  const mixed = 0x5bd1e995;
  let hash = 0x9747b28c ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word =
      (data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24);
    word = Math.imul(word, mixed);
    word ^= word >>> 24;
    word = Math.imul(word, mixed);
    hash = Math.imul(hash, mixed) ^ word;
  }
  if (length - at >= 3) hash ^= (data[at + 2] as number) << 16;
  if (length - at >= 2) hash ^= (data[at + 1] as number) << 8;
  if (length - at >= 1) hash = Math.imul(hash ^ (data[at] as number), mixed);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, mixed);
  return hash ^ (hash >>> 15);
}

/**
 * The explicit partition; else the key's, as the Java client chooses it; else in turn by seq.
 * @param partitions partition count of the topic, 1 or more
 */
export function choosePartition(
  record: {
    readonly key: Uint8Array | null;
    readonly seq: number;
    readonly explicit: number | null;
  },
  partitions: number,
): number {
  if (record.explicit !== null) return record.explicit;
  if (record.key === null) return record.seq % partitions;
  return (murmur2(record.key) & 0x7fffffff) % partitions;
}

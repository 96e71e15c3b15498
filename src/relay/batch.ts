/**
 * From rows of the log to records of one send. Pure.
 *
 * A batch is always a prefix of what was read, so that cutting it short keeps the order. A row
 * that cannot be sent as it is (foreign writers) is a refused record, found here before the
 * driver sees it; what stands before it is sent first.
 */
import { decodeHeaders, type Header, type LoggedEvent } from '../core/event.ts';
import { laneOf } from '../core/lane.ts';
import type { SinkRecord } from '../sink/driver.ts';

/** Where a record goes; from the partitioner of the sink, handed in by the composition root. */
export type Partitioner = (
  record: { readonly key: Buffer | null; readonly seq: number; readonly explicit: number | null },
  partitions: number,
) => number;

export interface BatchRules {
  readonly lanes: number;
  /** Bytes of key, value and headers that may go to one partition in one send. */
  readonly partitionBytes: number;
  /** Value of the `outbox-source` header, or `null` for no headers of ours. */
  readonly source: Buffer | null;
  readonly partitioner: Partitioner;
}

/** One event that may not be sent as it stands. */
export interface RecordFault {
  readonly seq: number;
  readonly topic: string;
  readonly code: string;
  readonly message: string;
}

export interface Batch {
  readonly records: readonly SinkRecord[];
  /** Seq of the last record; 0 when there are none. */
  readonly lastSeq: number;
  /** The event right after the records that must be refused, if that is why the batch ends. */
  readonly fault: RecordFault | null;
}

/** Partition counts of a topic. */
export interface TopicPartitions {
  /** Keys are placed over these: the count first seen, while events of the topic wait. */
  readonly forKeys: number;
  /** What the broker has now, never fewer: the bound of an explicit partition. */
  readonly now: number;
}

/** @param partitionsOf a topic's partitions, or `null` when the batch must end before it */
export function buildBatch(
  events: readonly LoggedEvent[],
  partitionsOf: (topic: string) => TopicPartitions | null,
  rules: BatchRules,
): Batch {
  const records: SinkRecord[] = [];
  const bytesOf = new PartitionBytes();
  let lastSeq = 0;
  for (const event of events) {
    const partitions = partitionsOf(event.topic);
    if (partitions === null) break;
    const built = buildRecord(event, partitions, rules);
    if ('code' in built) return { records, lastSeq, fault: built };
    const before = bytesOf.get(built);
    const bytes = before + recordBytes(built);
    if (bytes > rules.partitionBytes && before > 0) break;
    bytesOf.set(built, bytes);
    records.push(built);
    lastSeq = event.seq;
  }
  return { records, lastSeq, fault: null };
}

function buildRecord(
  event: LoggedEvent,
  partitions: TopicPartitions,
  rules: BatchRules,
): SinkRecord | RecordFault {
  const { seq, topic, key } = event;
  const { forKeys, now } = partitions;
  const lane = laneOf(event, rules.lanes);
  if (lane !== event.lane) {
    const message = `event ${seq} was written to lane ${event.lane}, its key belongs to ${lane}`;
    return { seq, topic, code: 'LANE_MISMATCH', message };
  }
  let headers: Header[];
  try {
    headers = decodeHeaders(event.headers);
  } catch (error) {
    const reason = (error as Error).message;
    const message = `the stored headers of event ${seq} cannot be read: ${reason}`;
    return { seq, topic, code: 'HEADERS_UNREADABLE', message };
  }
  if (rules.source !== null) {
    headers.push(
      ['outbox-event-id', Buffer.from(event.id)],
      ['outbox-seq', Buffer.from(String(seq), 'latin1')],
      ['outbox-source', rules.source],
    );
  }
  const partition = rules.partitioner({ key, seq, explicit: event.partition }, forKeys);
  if (partition >= now) {
    const message = `event ${seq} asks for partition ${partition} of ${now}`;
    return { seq, topic, code: 'PARTITION_OUT_OF_RANGE', message };
  }
  return { topic, partition, key, value: event.value, headers, timestampMs: event.createdAtMs };
}

/** Bytes by topic and partition. */
class PartitionBytes {
  readonly #topics = new Map<string, number[]>();

  get({ topic, partition }: SinkRecord): number {
    return this.#topics.get(topic)?.[partition] ?? 0;
  }

  set({ topic, partition }: SinkRecord, bytes: number): void {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) {
      partitions = [];
      this.#topics.set(topic, partitions);
    }
    partitions[partition] = bytes;
  }
}

function recordBytes(record: SinkRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const [name, value] of record.headers) bytes += name.length + (value?.length ?? 0);
  return bytes;
}

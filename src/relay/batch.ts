/**
 * From events to records of one send. Pure.
 *
 * A batch is always a prefix of what was read, so that cutting it short keeps the order. It leaves
 * out, and names, what may not pass: events behind a held one or a stop, and rows that cannot be
 * sent as they stand (foreign writers), which are refused before the driver sees them.
 */
import { decodeHeaders, type Header, type LoggedEvent } from '../core/event.ts';
import { laneOf } from '../core/lane.ts';
import type { SinkRecord } from '../sink/driver.ts';
import { Holds } from './holds.ts';

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

/** Code of an event whose explicit partition its topic does not have. */
export const outOfRange = 'PARTITION_OUT_OF_RANGE';

/** One event that may not be sent as it stands. */
export interface RecordFault {
  readonly event: LoggedEvent;
  readonly code: string;
  readonly message: string;
  /** Whether it is dead when its retries are used up. Default: true. */
  readonly mayDie?: boolean;
}

/** An event that waits behind another one or a stop. */
export interface BlockedEvent {
  readonly seq: number;
  readonly topic: string;
  /** `null` when the partitions of its topic are not known. */
  readonly partition: number | null;
}

export interface Batch<Event extends LoggedEvent = LoggedEvent> {
  readonly records: readonly SinkRecord[];
  /** The events of the records, one for one. */
  readonly events: readonly Event[];
  readonly blocked: readonly BlockedEvent[];
  readonly faults: readonly RecordFault[];
  /** Seq of the last event that is in one of these; 0 when there is none. */
  readonly lastSeq: number;
}

/** Partition counts of a topic. */
export interface TopicPartitions {
  /** Keys are placed over these: the count first seen, while events of the topic wait. */
  readonly forKeys: number;
  /** What the broker has now, never fewer: the bound of an explicit partition. */
  readonly now: number;
}

/** What is known while a batch is built. */
export interface BatchState {
  /** A topic's partitions, or `null` when the batch must end before it. */
  readonly partitionsOf: (topic: string) => TopicPartitions | null;
  /** What may not pass; `null`: nothing is in the way. */
  readonly holds: Holds | null;
}

export function buildBatch<Event extends LoggedEvent>(
  events: readonly Event[],
  { partitionsOf, holds }: BatchState,
  rules: BatchRules,
): Batch<Event> {
  const batch = new Building<Event>(rules);
  const inTheWay = holds === null || holds.isEmpty ? null : holds;
  for (const event of events) {
    const { topic } = event;
    // Of a topic that is stopped the partitions may not be known.
    if (inTheWay?.isPaused(topic) || inTheWay?.topicStop(topic)) {
      batch.block(event, null);
      continue;
    }
    const partitions = partitionsOf(topic);
    if (partitions === null) break;
    const built = buildRecord(event, partitions, rules);
    const partition = 'code' in built ? null : built.partition;
    if (inTheWay?.hasHead(event)) batch.block(event, partition);
    else if ('code' in built) batch.refuse(built);
    else if (inTheWay?.stopOf(topic, built.partition)) batch.block(event, partition);
    else if (!batch.add(event, built)) break;
  }
  return batch;
}

class Building<Event extends LoggedEvent> implements Batch<Event> {
  readonly records: SinkRecord[] = [];
  readonly events: Event[] = [];
  readonly blocked: BlockedEvent[] = [];
  readonly faults: RecordFault[] = [];
  lastSeq = 0;
  readonly #rules: BatchRules;
  readonly #bytesOf = new PartitionBytes();
  /** Keys of this batch's own faults: what follows of them waits behind. */
  #refused: Holds | null = null;

  constructor(rules: BatchRules) {
    this.#rules = rules;
  }

  block({ seq, topic }: LoggedEvent, partition: number | null): void {
    this.blocked.push({ seq, topic, partition });
    this.lastSeq = seq;
  }

  refuse(fault: RecordFault): void {
    const { event } = fault;
    if (this.#refused?.hasHead(event)) {
      this.block(event, null);
      return;
    }
    this.#refused ??= Holds.none();
    this.#refused.addHead(event);
    this.faults.push(fault);
    this.lastSeq = event.seq;
  }

  /** False when the record's partition has its share of bytes: the batch ends before it. */
  add(event: Event, record: SinkRecord): boolean {
    if (this.#refused?.hasHead(event)) {
      this.block(event, record.partition);
      return true;
    }
    const before = this.#bytesOf.get(record);
    const bytes = before + recordBytes(record);
    if (bytes > this.#rules.partitionBytes && before > 0) return false;
    this.#bytesOf.set(record, bytes);
    this.records.push(record);
    this.events.push(event);
    this.lastSeq = event.seq;
    return true;
  }
}

/** The record of an event, or why it may not be sent. */
export function buildRecord(
  event: LoggedEvent,
  partitions: TopicPartitions,
  rules: BatchRules,
): SinkRecord | RecordFault {
  const { seq, topic, key } = event;
  const { forKeys, now } = partitions;
  const lane = laneOf(event, rules.lanes);
  if (lane !== event.lane) {
    const message = `event ${seq} was written to lane ${event.lane}, its key belongs to ${lane}`;
    return { event, code: 'LANE_MISMATCH', message };
  }
  let headers: Header[];
  try {
    headers = decodeHeaders(event.headers);
  } catch (error) {
    const reason = (error as Error).message;
    const message = `the stored headers of event ${seq} cannot be read: ${reason}`;
    return { event, code: 'HEADERS_UNREADABLE', message };
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
    return { event, code: outOfRange, message };
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

/** What a send asks of the governor; bytes are of key, value and headers. */
export function loadOf(records: readonly SinkRecord[]): { events: number; bytes: number } {
  const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0);
  return { events: records.length, bytes };
}

function recordBytes(record: SinkRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const [name, value] of record.headers) bytes += name.length + (value?.length ?? 0);
  return bytes;
}

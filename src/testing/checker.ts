/**
 * The checker: pure functions over what was accepted and what was consumed.
 *
 * It trusts neither the outbox nor the relay: an event is compared by its id, topic, key and value
 * hash; order within a topic and key is the application's own order of calls (number) against the
 * order of offsets. Repeats are duplicates and never count as disorder. Its own tests show that it
 * sees each kind of damage.
 */
import { createHash } from 'node:crypto';
import { CheckInputError } from '../core/errors.ts';

/** An event that the application was told is accepted. */
export interface AcceptedEvent {
  /** As `enqueue` or `publish` gave it. */
  readonly id: string;
  readonly topic: string;
  /** As text; `null`: it has none, and no order. */
  readonly key: string | null;
  /** Of its value, see {@link hashOf}. */
  readonly hash: string;
  /** When it was accepted: wall clock, milliseconds. */
  readonly atMs: number;
  /** Its place in the application's own order. Default: its place in the list, from 1. */
  readonly number?: number;
}

/** A publish that ended in OUTCOME_UNKNOWN: it may be in Kafka, and need not be. */
export interface UnknownEvent {
  readonly topic: string;
  /** As text; `null`: it has none. */
  readonly key: string | null;
  /** Of its value, see {@link hashOf}. */
  readonly hash: string;
}

/** What the application knows of its own calls. */
export interface Issued {
  readonly accepted: readonly AcceptedEvent[];
  /** Default: none. */
  readonly unknown?: readonly UnknownEvent[];
}

/** A record that an independent consumer has read. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Header `outbox-event-id`; `null` when the record has none. */
  readonly id: string | null;
  /** As text; `null` without a key. */
  readonly key: string | null;
  /** Of its value, see {@link hashOf}. */
  readonly hash: string;
  /**
   * When the broker appended it: wall clock, milliseconds. `null` when the topic keeps the
   * writer's time, as it does unless `message.timestamp.type` is `LogAppendTime`.
   */
  readonly appendedAtMs: number | null;
}

/** What a check may ask besides. */
export interface CheckOptions {
  /** How long after its acceptance an event is late, milliseconds. Default: no event is late. */
  readonly lateAfterMs?: number;
}

/** The account: what became of every event and every record. */
export interface Findings {
  readonly accepted: number;
  /** Accepted events that were consumed at least once, unaltered. */
  readonly delivered: number;
  /** accepted - delivered */
  readonly lost: number;
  /** Records beyond the first of each event, by its id. */
  readonly duplicated: number;
  /** First deliveries that came after one of a later event of their topic and key. */
  readonly reordered: number;
  /** Records of accepted events whose topic, key or value differs from what was accepted. */
  readonly mismatched: number;
  /** Records that nobody published. */
  readonly unissued: number;
  /** Delivered events that came later than `lateAfterMs`; 0 when that is not asked. */
  readonly late: number;
  /** Publishes that ended in OUTCOME_UNKNOWN; they count as neither accepted nor unissued. */
  readonly unknown: number;
  /** Up to ten of the faults in words, for whoever looks for the cause. */
  readonly examples: readonly string[];
}

const examplesMax = 10;

type Numbered = AcceptedEvent & { readonly number: number };
type Note = (text: string) => void;

/** What was found of one accepted event. */
interface Delivery {
  /** The first one in the order of offsets. */
  readonly record: ConsumedRecord;
  /** When the earliest of its records was appended. */
  firstAtMs: number | null;
}

type Deliveries = ReadonlyMap<Numbered, Delivery>;

/**
 * Accounts for every event and every record, over all topics at once. Pure.
 * @throws CHECK_INPUT when an id was accepted twice; with `lateAfterMs` also when a delivered
 *   record does not tell when it was appended
 */
export function checkDelivery(
  { accepted, unknown = [] }: Issued,
  consumed: readonly ConsumedRecord[],
  { lateAfterMs }: CheckOptions = {},
): Findings {
  const events = accepted.map((event, at) => ({ number: at + 1, ...event }));
  const examples: string[] = [];
  const note = (text: string) => {
    if (examples.length < examplesMax) examples.push(text);
  };
  const { deliveries, ...counts } = sort({ events, unknown, consumed }, note);
  for (const event of events) {
    if (deliveries.has(event)) continue;
    note(`lost: number ${event.number}, ${event.topic}, key ${event.key}, id ${event.id}`);
  }
  const delivered = deliveries.size;
  return {
    accepted: events.length,
    delivered,
    lost: events.length - delivered,
    ...counts,
    reordered: countReordered(deliveries, note),
    late: lateAfterMs === undefined ? 0 : countLate(deliveries, lateAfterMs, note),
    unknown: unknown.length,
    examples,
  };
}

interface Evidence {
  readonly events: readonly Numbered[];
  readonly unknown: readonly UnknownEvent[];
  readonly consumed: readonly ConsumedRecord[];
}

/** Says of each record what it is: a delivery, a repeat, an altered one, or nobody's. */
function sort({ events, unknown, consumed }: Evidence, note: Note) {
  const byId = new Map(events.map((event) => [event.id, event]));
  if (byId.size !== events.length) throw new CheckInputError('an id was accepted twice');
  const counts = { duplicated: 0, mismatched: 0, unissued: 0 };
  const doubtful = new Doubtful(unknown);
  const deliveries = new Map<Numbered, Delivery>();
  for (const record of inOffsetOrder(consumed)) {
    const event = record.id === null ? undefined : byId.get(record.id);
    const known = event === undefined ? undefined : deliveries.get(event);
    if (event === undefined) {
      const what = doubtful.take(record);
      if (what === 'delivery') continue;
      counts[what] += 1;
      if (what === 'unissued') note(`unissued: ${placeOf(record)}, id ${record.id}`);
    } else if (fingerprint(event) !== fingerprint(record)) {
      counts.mismatched += 1;
      note(`mismatched: number ${event.number}, ${placeOf(record)}`);
    } else if (known !== undefined) {
      counts.duplicated += 1;
      known.firstAtMs = earlier(known.firstAtMs, record.appendedAtMs);
    } else {
      deliveries.set(event, { record, firstAtMs: record.appendedAtMs });
    }
  }
  return { deliveries, ...counts };
}

/** Publishes that may be in Kafka, each under one id that nobody knows. */
class Doubtful {
  readonly #left = new Map<string, number>();
  /** What came first under each id. */
  readonly #ids = new Map<string, string>();

  constructor(unknown: readonly UnknownEvent[]) {
    for (const one of unknown.map(fingerprint)) {
      this.#left.set(one, (this.#left.get(one) ?? 0) + 1);
    }
  }

  take(record: ConsumedRecord): 'delivery' | 'duplicated' | 'unissued' {
    const one = fingerprint(record);
    const left = this.#left.get(one);
    if (left === undefined) return 'unissued';
    if (record.id !== null && this.#ids.get(record.id) === one) return 'duplicated';
    if (left === 0 || (record.id !== null && this.#ids.has(record.id))) return 'unissued';
    this.#left.set(one, left - 1);
    if (record.id !== null) this.#ids.set(record.id, one);
    return 'delivery';
  }
}

/**
 * Walks the first deliveries of each topic and key. A key found in two partitions has no order
 * between them, so whatever lies outside the partition of its first event counts as reordered.
 */
function countReordered(deliveries: Deliveries, note: Note): number {
  const heads = new Map<string, { partition: number; number: number }>();
  let reordered = 0;
  for (const [{ topic, key, number }, { record }] of deliveries) {
    if (key === null) continue;
    const { partition } = record;
    const head = heads.get(`${topic}/${key}`); // no topic's name has a slash
    if (head === undefined) {
      heads.set(`${topic}/${key}`, { partition, number });
    } else if (head.partition === partition && head.number < number) {
      head.number = number;
    } else {
      reordered += 1;
      note(`reordered: key ${key}, number ${number} after ${head.number}, ${placeOf(record)}`);
    }
  }
  return reordered;
}

function countLate(deliveries: Deliveries, lateAfterMs: number, note: Note): number {
  let late = 0;
  for (const [{ number, atMs }, { record, firstAtMs }] of deliveries) {
    if (firstAtMs === null) {
      throw new CheckInputError(`${placeOf(record)} does not tell when it was appended`);
    }
    if (firstAtMs - atMs <= lateAfterMs) continue;
    late += 1;
    note(`late: number ${number} after ${firstAtMs - atMs} ms, ${placeOf(record)}`);
  }
  return late;
}

function earlier(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : Math.min(one, other);
}

/** Topics by name, and in each topic partitions and their offsets. */
function inOffsetOrder(consumed: readonly ConsumedRecord[]): ConsumedRecord[] {
  const byTopic = Map.groupBy(consumed, ({ topic }) => topic);
  return [...byTopic.values()].flatMap((records) =>
    records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset),
  );
}

function fingerprint({ topic, key, hash }: UnknownEvent): string {
  return JSON.stringify([topic, key, hash]);
}

function placeOf({ topic, partition, offset }: ConsumedRecord): string {
  return `${topic} partition ${partition} offset ${offset}`;
}

/** SHA-256 of a value's bytes, hex; for `null`, a tombstone, the text `null`. */
export function hashOf(value: string | Uint8Array | null): string {
  return value === null ? 'null' : createHash('sha256').update(value).digest('hex');
}

/** An event as it was given to `enqueue` or `publish`. */
export interface GivenEvent {
  readonly topic: string;
  readonly key?: string | Uint8Array | null;
  /** Text and bytes as they are, anything else as JSON. */
  readonly value: unknown;
}

/**
 * What the checker needs of an event that has just been accepted.
 * @param result what `enqueue` returned, or `publish` resolved with
 * @param atMs when that was, wall clock. Default: now
 */
export function acceptedEvent(
  event: GivenEvent,
  result: { readonly id: string },
  atMs: number = Date.now(),
): AcceptedEvent {
  return { id: result.id, ...unknownEvent(event), atMs };
}

/** The same of an event whose `publish` has rejected with OUTCOME_UNKNOWN. */
export function unknownEvent({ topic, key = null, value }: GivenEvent): UnknownEvent {
  const isBytes = value === null || typeof value === 'string' || value instanceof Uint8Array;
  const bytes = isBytes ? (value as string | Uint8Array | null) : JSON.stringify(value);
  return { topic, key: key === null ? null : textOf(key), hash: hashOf(bytes) };
}

function textOf(value: string | Uint8Array): string {
  return typeof value === 'string' ? value : Buffer.from(value).toString();
}

/**
 * The event, in its three forms: as the application gives it, as it is written (bytes), and as
 * the log gives it back. Turning the first into the second is the door: src/enqueue.
 */

export type HeaderValue = string | Uint8Array;

/** Topics without types: any name, any value. */
export type AnyTopics = Readonly<Record<string, unknown>>;

/** One of a topic map's events: the topic decides what its value must be; `null` always may. */
export type EventOf<Topics extends object> = {
  [Topic in keyof Topics & string]: OutboxEvent<Topic, Topics[Topic] | null>;
}[keyof Topics & string];

/** An event as an application hands it over. */
export interface OutboxEvent<Topic extends string = string, Value = unknown> {
  /** Kafka topic: 1 to 249 of `a-z A-Z 0-9 . _ -`, not `.` or `..`. */
  readonly topic: Topic;
  /** Events of one topic and key stay in order. A string is stored as UTF-8. Default: `null`. */
  readonly key?: string | Uint8Array | null;
  /** Bytes, text (UTF-8), anything JSON-able, or `null` for a tombstone. */
  readonly value: Value;
  /**
   * Record headers; with an array a name may be repeated. kafkajs groups repeated names and sorts
   * names that are whole numbers: only the order within a name is kept. Default: none.
   */
  readonly headers?:
    | Readonly<Record<string, HeaderValue>>
    | readonly (readonly [string, HeaderValue])[];
  /** Explicit partition, 0 or more. Default: chosen from the key, as the Java client does. */
  readonly partition?: number | null;
  /** A second event with this key is answered with the first one's seq and id. Default: none. */
  readonly dedupeKey?: string | null;
  /** How long the dedupe key is remembered, milliseconds. Default: 7 days. */
  readonly dedupeTtlMs?: number;
  /**
   * Tries after the first one that Kafka may refuse this event, 0 to 1,000,000. An outage costs
   * none of them. Used up, the event is dead and waits for an operator. Default: the relay's
   * `retry.retries`.
   */
  readonly retries?: number | null;
  /** Wait between those tries, milliseconds, 0 to a day. Default: the relay's `retry.delayMs`. */
  readonly delayMs?: number | null;
}

/** One header of a record: a name may be repeated. */
export type Header = readonly [name: string, value: Uint8Array | null];

/** An event that passed the door: only bytes, ready to be written. */
export interface EncodedEvent {
  readonly id: string;
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
  readonly partition: number | null;
  readonly createdAtMs: number;
  /** Retry budget of this event alone, overriding the relay's; `null` = the relay's. */
  readonly retries: number | null;
  readonly delayMs: number | null;
  readonly dedupe: { readonly key: string; readonly expiresAtMs: number } | null;
}

/** A row of the log. */
export interface LoggedEvent {
  readonly seq: number;
  readonly lane: number;
  readonly id: string;
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** JSON `[[name, base64 | null], …]` as stored; decoded by `decodeHeaders`. `null` = none. */
  readonly headers: string | null;
  readonly partition: number | null;
  readonly createdAtMs: number;
}

/** What became of an event: stored now, or a duplicate of the first one with its dedupe key. */
export interface AppendResult {
  readonly status: 'stored' | 'duplicate';
  readonly seq: number;
  readonly id: string;
}

/** The stored form of headers; `null` when there are none. */
export function encodeHeaders(headers: readonly Header[]): string | null {
  if (headers.length === 0) return null;
  return JSON.stringify(
    headers.map(([name, value]) => [name, value && Buffer.from(value).toString('base64')]),
  );
}

/** Inverse of {@link encodeHeaders}. Throws a `TypeError` on anything else: foreign rows. */
export function decodeHeaders(stored: string | null): Header[] {
  if (stored === null) return [];
  const parsed: unknown = JSON.parse(stored);
  if (!Array.isArray(parsed)) throw new TypeError('headers are not a JSON array');
  return parsed.map((pair: unknown): Header => {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') {
      throw new TypeError('a header is not a [name, value] pair');
    }
    const [name, value] = pair as [string, unknown];
    if (value !== null && typeof value !== 'string') {
      throw new TypeError('a header value is neither base64 text nor null');
    }
    return [name, value === null ? null : Buffer.from(value, 'base64')];
  });
}

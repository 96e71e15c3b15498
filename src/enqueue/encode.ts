/**
 * The door: from an event as an application gives it to bytes, or a clear refusal. Nothing is
 * written before every event of a call has passed. Pure but for the id and the clock handed in.
 */
import { EventInvalidError, EventTooLargeError } from '../core/errors.ts';
import type { EncodedEvent, Header, HeaderValue, OutboxEvent } from '../core/event.ts';
import { limits } from '../core/limits.ts';
import { isTopicName } from '../core/topic-name.ts';
import { recordBytes } from './record-size.ts';

export interface EncodeRules {
  /** Largest Kafka record: key, value, headers and framing, bytes. */
  readonly recordBytesMax: number;
  /** A new UUIDv7. */
  readonly newId: () => string;
  /** Wall time, milliseconds. */
  readonly now: () => number;
}

const knownFields = new Set([
  'topic',
  'key',
  'value',
  'headers',
  'partition',
  'dedupeKey',
  'dedupeTtlMs',
  'retries',
  'delayMs',
]);
const partitionMax = 2_147_483_647;
/** JSON.stringify makes `{}` or index maps of these without a word: the content would be lost. */
const notForJson = [Map, Set, WeakMap, WeakSet, Promise, Error, RegExp, ArrayBuffer];

/**
 * Bytes are copied: what the event says is bound at once, and a buffer may be used again.
 * @throws EVENT_INVALID, EVENT_TOO_LARGE
 */
export function encodeEvent(event: OutboxEvent, rules: EncodeRules): EncodedEvent {
  if (typeof event !== 'object' || event === null) throw invalid('event', 'must be an object');
  for (const field of Object.keys(event)) {
    if (!knownFields.has(field)) throw invalid(field, 'is not a field of an event');
  }
  const topic = encodeTopic(event.topic);
  const key = encodeKey(event.key ?? null);
  const value = encodeValue(event.value);
  const headers = encodeHeaderList(event.headers);
  const partition = encodePartition(event.partition ?? null);
  const createdAtMs = rules.now();
  const dedupe = encodeDedupe(event, createdAtMs);
  const bytes = recordBytes(key, value, headers);
  if (bytes > rules.recordBytesMax) {
    const message = `the event has ${bytes} bytes, recordBytesMax is ${rules.recordBytesMax}`;
    throw new EventTooLargeError(message, { details: { topic, bytes } });
  }
  const retries = encodeWhole('retries', event.retries, limits.retriesMax);
  const delayMs = encodeWhole('delayMs', event.delayMs, limits.delayMsMax);
  const fixed = { id: rules.newId(), createdAtMs, retries, delayMs };
  return { ...fixed, topic, key, value, headers, partition, dedupe };
}

function invalid(field: string, problem: string, cause?: unknown): Error {
  const options = { details: { field }, ...(cause === undefined ? {} : { cause }) };
  return new EventInvalidError(`${field} ${problem}`, options);
}

function encodeTopic(topic: unknown): string {
  if (typeof topic !== 'string') throw invalid('topic', 'must be a string');
  if (!isTopicName(topic)) {
    throw invalid('topic', `${JSON.stringify(topic.slice(0, 80))} is not a legal topic name`);
  }
  return topic;
}

function encodeKey(key: unknown): Buffer | null {
  if (key === null) return null;
  if (typeof key === 'string') return encodeText('key', key);
  if (key instanceof Uint8Array) return Buffer.from(key);
  throw invalid('key', `must be a string, bytes or null, not ${typeName(key)}`);
}

function encodeText(field: string, text: string): Buffer {
  refuseLoneSurrogate(field, text);
  return Buffer.from(text);
}

/** A lone surrogate would be stored as U+FFFD, which is not what the application said. */
function refuseLoneSurrogate(field: string, text: string): void {
  if (!text.isWellFormed()) throw invalid(field, 'holds a lone surrogate and is not valid UTF-16');
}

function encodeValue(value: unknown): Buffer | null {
  if (value === null) return null;
  if (typeof value === 'string') return encodeText('value', value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  return encodeJson(value);
}

function encodeJson(value: unknown): Buffer {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw invalid('value', `must not be ${typeName(value)}; null is a tombstone`);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw invalid('value', `must be a finite number, not ${value}`);
  }
  const speaksJson = typeof (value as { toJSON?: unknown }).toJSON === 'function';
  const mute = notForJson.some((kind) => value instanceof kind) || ArrayBuffer.isView(value);
  if (mute && !speaksJson) {
    const name = (value as object).constructor.name;
    throw invalid('value', `is a ${name}, which JSON cannot hold; convert or await it first`);
  }
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw invalid('value', `cannot be written as JSON: ${(error as Error).message}`, error);
  }
  if (json === undefined) throw invalid('value', 'has a toJSON that gives no JSON');
  return Buffer.from(json);
}

function encodeHeaderList(headers: OutboxEvent['headers']): Header[] {
  if (headers === undefined || headers === null) return [];
  if (typeof headers !== 'object' || headers instanceof Map) {
    throw invalid('headers', 'must be an object or pairs');
  }
  const pairs: readonly unknown[] = Array.isArray(headers) ? headers : Object.entries(headers);
  if (pairs.length > limits.headersMax) {
    throw invalid('headers', `are ${pairs.length}, at most ${limits.headersMax} are allowed`);
  }
  return pairs.map((pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw invalid('headers', 'must be pairs');
    return encodeHeader(pair[0], pair[1] as HeaderValue);
  });
}

function encodeHeader(name: unknown, value: HeaderValue): Header {
  if (typeof name !== 'string' || name === '') throw invalid('headers', 'need names');
  refuseLoneSurrogate('header name', name);
  if (Buffer.byteLength(name) > limits.headerNameBytesMax) {
    throw invalid(`header ${name.slice(0, 40)}…`, 'has too long a name');
  }
  // kafkajs cannot write a header without a value: accepted, it would stop its lane for good.
  if (value === null) throw invalid(`header ${name}`, 'must have a value; "" is one');
  if (typeof value === 'string') return [name, encodeText(`header ${name}`, value)];
  if (value instanceof Uint8Array) return [name, Buffer.from(value)];
  throw invalid(`header ${name}`, `must be a string or bytes, not ${typeName(value)}`);
}

function encodePartition(partition: unknown): number | null {
  if (partition === null) return null;
  const legal = Number.isInteger(partition) && (partition as number) >= 0;
  if (!legal || (partition as number) > partitionMax) {
    throw invalid('partition', `must be a whole number from 0, not ${String(partition)}`);
  }
  return partition as number;
}

/** A number of the event's own in place of the relay's; `null`: the relay's. */
function encodeWhole(field: string, given: unknown, max: number): number | null {
  if (given === undefined || given === null) return null;
  if (!Number.isInteger(given) || (given as number) < 0 || (given as number) > max) {
    throw invalid(field, `must be a whole number from 0 to ${max}, not ${String(given)}`);
  }
  return given as number;
}

function encodeDedupe(event: OutboxEvent, nowMs: number): EncodedEvent['dedupe'] {
  const { dedupeKey = null, dedupeTtlMs = limits.dedupeTtlMsDefault } = event;
  if (dedupeKey === null) return null;
  if (typeof dedupeKey !== 'string' || dedupeKey === '') {
    throw invalid('dedupeKey', 'must be a string that is not empty');
  }
  if (dedupeKey.length > limits.dedupeKeyLengthMax) {
    throw invalid('dedupeKey', `is longer than ${limits.dedupeKeyLengthMax}`);
  }
  refuseLoneSurrogate('dedupeKey', dedupeKey);
  // SQLite's length() ends at it.
  if (dedupeKey.includes('\0')) throw invalid('dedupeKey', 'must not hold a NUL character');
  if (!Number.isSafeInteger(dedupeTtlMs + nowMs) || dedupeTtlMs < 1) {
    throw invalid('dedupeTtlMs', `must be a whole number from 1, not ${String(dedupeTtlMs)}`);
  }
  return { key: dedupeKey, expiresAtMs: nowMs + dedupeTtlMs };
}

function typeName(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

/** One line of `publish`: from bytes to an event. */
import { isUtf8 } from 'node:buffer';
import { EventInvalidError } from '../core/errors.ts';
import type { OutboxEvent } from '../core/event.ts';
import { parseExactly, roundNumber } from './exact-json.ts';

export interface LineRules {
  /** With a topic the line's bytes are the value; without, the line is the whole event. */
  readonly topic: string | undefined;
  /** Field of the line's JSON that is the key. Only with a topic. */
  readonly keyField: string | undefined;
}

const fields = [
  'topic',
  'key',
  'keyBase64',
  'value',
  'valueBase64',
  'headers',
  'headersBase64',
  'partition',
  'dedupeKey',
  'retries',
  'delayMs',
  // Of an exported event: where it was. For people alone.
  'origin',
];

/**
 * `null` for a line of nothing but white space.
 * @throws EVENT_INVALID when the line is not an event
 */
export function parseEventLine(bytes: Buffer, { topic, keyField }: LineRules): OutboxEvent | null {
  if (!isUtf8(bytes)) throw new EventInvalidError('is not UTF-8');
  const text = bytes.toString();
  if (text.trim() === '') return null;
  const line = parseJson(text);
  if (topic === undefined) return eventOf(objectOf(line));
  // The line's own bytes: what a parser would make of them is nobody's business.
  return {
    topic,
    key: keyField === undefined ? null : keyOf(objectOf(line), keyField),
    value: bytes,
  };
}

function parseJson(text: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    // Without the excerpt of the line that V8 adds: messages hold no payload.
    const reason = (error as Error).message.replace(/, (\.\.\.)?".*$/s, '');
    throw new EventInvalidError(`is not JSON: ${reason}`, { cause: error });
  }
}

function objectOf(line: unknown): Record<string, unknown> {
  if (typeof line === 'object' && line !== null && !Array.isArray(line)) {
    return line as Record<string, unknown>;
  }
  throw new EventInvalidError('is not a JSON object');
}

/** An event without the key that was asked for would have no order: it is refused. */
function keyOf(line: Record<string, unknown>, field: string): string {
  const key = Object.hasOwn(line, field) ? line[field] : undefined;
  if (typeof key === 'string') return key;
  if (Number.isSafeInteger(key)) return String(key);
  const problem = key === undefined ? 'is missing' : 'is neither text nor a whole number';
  throw new EventInvalidError(`its field ${JSON.stringify(field)}, the key, ${problem}`);
}

function eventOf(line: Record<string, unknown>): OutboxEvent {
  const unknown = Object.keys(line).filter((name) => !fields.includes(name));
  if (unknown.length > 0) {
    const names = unknown.map((name) => JSON.stringify(name)).join(', ');
    throw new EventInvalidError(`has ${names}; the fields are ${fields.join(', ')}`);
  }
  const { valueBase64, keyBase64, headersBase64, origin: _, ...event } = line;
  for (const name of ['headers', 'partition', 'retries', 'delayMs']) {
    if (name in event) event[name] = roundNumber(event[name]);
  }
  if ('value' in line === 'valueBase64' in line) {
    throw new EventInvalidError('needs either value or valueBase64; null is a tombstone');
  }
  for (const name of ['key', 'headers']) {
    if (name in line && `${name}Base64` in line) {
      throw new EventInvalidError(`has ${name} and ${name}Base64: which one is it?`);
    }
  }
  if ('keyBase64' in line) event['key'] = decodeBase64(keyBase64, 'keyBase64');
  if ('headersBase64' in line) event['headers'] = decodePairs(headersBase64);
  if ('valueBase64' in line) event['value'] = decodeBase64(valueBase64, 'valueBase64');
  return event as unknown as OutboxEvent;
}

/** As `[[name, base64], …]`. */
function decodePairs(pairs: unknown): [unknown, Buffer][] {
  if (!Array.isArray(pairs)) throw new EventInvalidError('headersBase64 is no array of pairs');
  return pairs.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new EventInvalidError('headersBase64 is no array of pairs');
    }
    return [pair[0], decodeBase64(pair[1], 'headersBase64')];
  });
}

/** Node's decoder takes anything; only what it would write itself is base64. */
function decodeBase64(text: unknown, name: string): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : null;
  if (bytes === null || bytes.toString('base64') !== text) {
    throw new EventInvalidError(`${name} is not base64 with its padding`);
  }
  return bytes;
}

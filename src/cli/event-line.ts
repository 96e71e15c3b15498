/** One line of `publish`: from bytes to an event. */
import { EventInvalidError } from '../core/errors.ts';
import type { OutboxEvent } from '../core/event.ts';

export interface LineRules {
  /** With a topic the line's bytes are the value; without, the line is the whole event. */
  readonly topic: string | undefined;
  /** Field of the line's JSON that is the key. Only with a topic. */
  readonly keyField: string | undefined;
}

const fields = ['topic', 'key', 'value', 'headers', 'partition', 'dedupeKey', 'valueBase64'];
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws EVENT_INVALID when the line is not an event */
export function parseEventLine(bytes: Buffer, { topic, keyField }: LineRules): OutboxEvent {
  if (topic === undefined) return eventOf(parseObject(bytes));
  const key = keyField === undefined ? null : keyOf(parseObject(bytes), keyField);
  return { topic, key, value: bytes };
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new EventInvalidError(`not JSON in UTF-8: ${(error as Error).message}`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new EventInvalidError('not a JSON object');
  }
  return parsed as Record<string, unknown>;
}

function keyOf(line: Record<string, unknown>, field: string): string | null {
  const key = line[field];
  if (key === null) return null;
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'boolean') return String(key);
  throw new EventInvalidError(
    `the key field ${field} is ${key === undefined ? 'missing' : 'not text'}`,
  );
}

function eventOf(line: Record<string, unknown>): OutboxEvent {
  const unknown = Object.keys(line).filter((name) => !fields.includes(name));
  if (unknown.length > 0) {
    throw new EventInvalidError(`${unknown.join(', ')}: not a field of an event line`);
  }
  const { valueBase64, ...event } = line;
  if ('value' in line === 'valueBase64' in line) {
    throw new EventInvalidError('needs either value or valueBase64; null is a tombstone');
  }
  if (!('valueBase64' in line)) return event as unknown as OutboxEvent;
  return { ...event, value: decodeBase64(valueBase64) } as unknown as OutboxEvent;
}

function decodeBase64(text: unknown): Buffer {
  const legal = typeof text === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  if (!legal || text.length % 4 !== 0) throw new EventInvalidError('valueBase64 is not base64');
  return Buffer.from(text, 'base64');
}

/**
 * Events that no index or table leads to any more, looked for on every page. An event is easily
 * known: eleven values, the second a UUID, the third the name of a topic. Rows of the log never
 * change, so an old copy of a page is as good as the newest.
 */
import { isTopicName } from '../../core/topic-name.ts';
import { type PageSource, type Row, rowsOf, type Value } from './page-file.ts';

/** In the order of the columns of `outbox_events`. */
export type RawEvent = readonly [
  seq: number,
  id: string,
  topic: string,
  lane: number,
  createdAtMs: number,
  partition: number | null,
  retries: number | null,
  delayMs: number | null,
  headers: string | null,
  key: Buffer | null,
  value: Buffer | null,
];

export const rawEventColumns =
  'seq, id, topic, lane, created_at, partition, retries, delay_ms, headers, key, value';

const columns = 11;

export function* eventsOn(source: PageSource, page: number): Generator<RawEvent> {
  for (const row of rowsOf(source, page)) {
    const event = toEvent(row);
    if (event !== null) yield event;
  }
}

function toEvent({ rowid, values }: Row): RawEvent | null {
  if (values.length !== columns || values[0] !== null || rowid < 1) return null;
  const [id, topic] = [textOf(values[1]), textOf(values[2])];
  if (id === null || !/^[0-9a-f-]{36}$/i.test(id)) return null;
  if (topic === null || !isTopicName(topic)) return null;
  const [lane, createdAtMs] = [values[3], values[4]];
  if (!isWhole(lane) || lane < 0 || lane > 255 || !isWhole(createdAtMs)) return null;
  const numbers = values.slice(5, 8);
  if (!numbers.every((value) => value === null || (isWhole(value) && value >= 0))) return null;
  const [partition, retries, delayMs] = numbers as (number | null)[];
  const headers = values[8] === null ? null : textOf(values[8]);
  if (headers === null && values[8] !== null) return null;
  const [key, value] = [values[9], values[10]];
  if (!isBytes(key) || !isBytes(value)) return null;
  const budget = [partition ?? null, retries ?? null, delayMs ?? null] as const;
  return [rowid, id, topic, lane, createdAtMs, ...budget, headers, key, value];
}

function textOf(value: Value | undefined): string | null {
  if (value === null || typeof value !== 'object' || !('text' in value)) return null;
  return value.text.toString('utf8');
}

const isWhole = (value: Value | undefined): value is number => Number.isSafeInteger(value);

const isBytes = (value: Value | undefined): value is Buffer | null =>
  value === null || Buffer.isBuffer(value);

/**
 * Did it really arrive? Reads the offsets of delivered batches back, and looks for each event's id:
 * what is missing, what is there twice, what is out of its key's order.
 */
import type { LedgerRow, OperatorStore } from '../outbox/operator.ts';
import type { LogReader, ReadRange } from '../sink/reader.ts';

/** What was found of one topic. */
export interface TopicVerdict {
  readonly topic: string;
  /** Events that were looked for. */
  readonly checked: number;
  readonly missing: number;
  /** Events that are there more than once; repeats are allowed, and told. */
  readonly duplicated: number;
  /** Events whose first copy comes after a newer one of their key. */
  readonly misordered: number;
  /** Batches of which the client did not tell the offsets: their partitions were read whole. */
  readonly unknownRanges: number;
  /** Delivered events that are not in the outbox any more: there is nothing to compare with. */
  readonly gone: number;
  /** Some of the missing and misordered ones. */
  readonly examples: readonly VerifyExample[];
}

/** One event that is not where it should be. */
export interface VerifyExample {
  readonly what: 'missing' | 'misordered';
  readonly seq: number;
  readonly id: string;
}

/** The JSON of `outbox-relay verify --json`. */
export interface Verification {
  /** Whether nothing is missing and nothing misordered. */
  readonly ok: boolean;
  readonly topics: readonly TopicVerdict[];
}

export interface VerifyParts {
  readonly store: OperatorStore;
  readonly reader: LogReader;
  /** Only this topic; `null`: all. */
  readonly topic: string | null;
  readonly patienceMs: number;
  /** Told before each topic, and while it is read. */
  readonly onProgress: (topic: string, records: number) => void;
}

const examplesMax = 10;
const progressRecords = 10_000;

interface Expected {
  readonly seq: number;
  readonly key: string | null;
  seen: number;
}

export async function verify(parts: VerifyParts): Promise<Verification> {
  const rows = parts.store.ledger(parts.topic);
  const topics = [...new Set(rows.map(({ topic }) => topic))].sort();
  const verdicts: TopicVerdict[] = [];
  for (const topic of topics) {
    const own = rows.filter((row) => row.topic === topic);
    verdicts.push(await verifyTopic(parts, topic, own));
  }
  const ok = verdicts.every(({ missing, misordered }) => missing === 0 && misordered === 0);
  return { ok, topics: verdicts };
}

async function verifyTopic(
  { store, reader, patienceMs, onProgress }: VerifyParts,
  topic: string,
  rows: readonly LedgerRow[],
): Promise<TopicVerdict> {
  const expected = expectedOf(store, topic, rows);
  const newest = new Map<string, number>();
  const misordered: VerifyExample[] = [];
  let read = 0;
  onProgress(topic, read);
  await reader.read({
    topic,
    ranges: rangesOf(rows),
    patienceMs,
    onRecord: ({ partition, eventId }) => {
      read += 1;
      if (read % progressRecords === 0) onProgress(topic, read);
      const event = eventId === null ? undefined : expected.get(eventId);
      if (event === undefined || eventId === null) return;
      event.seen += 1;
      if (event.seen > 1 || event.key === null) return;
      const key = `${partition} ${event.key}`;
      const before = newest.get(key) ?? 0;
      if (event.seq < before) misordered.push({ what: 'misordered', seq: event.seq, id: eventId });
      else newest.set(key, event.seq);
    },
  });
  const missing = [...expected].flatMap(([id, { seq, seen }]): VerifyExample[] =>
    seen === 0 ? [{ what: 'missing', seq, id }] : [],
  );
  const delivered = rows.reduce((sum, { events }) => sum + events, 0);
  return {
    topic,
    checked: expected.size,
    missing: missing.length,
    duplicated: [...expected.values()].filter(({ seen }) => seen > 1).length,
    misordered: misordered.length,
    unknownRanges: rows.filter(({ firstOffset }) => firstOffset === null).length,
    gone: Math.max(0, delivered - expected.size),
    examples: [...missing, ...misordered].slice(0, examplesMax),
  };
}

/** Events of these batches that the outbox still has, by their id. */
function expectedOf(store: OperatorStore, topic: string, rows: readonly LedgerRow[]) {
  const expected = new Map<string, Expected>();
  for (const { lane, firstSeq, lastSeq } of rows) {
    for (const { id, seq, key } of store.deliveredBetween({ lane, topic, firstSeq, lastSeq })) {
      const name = key === null ? null : key.toString('latin1');
      if (!expected.has(id)) expected.set(id, { seq, key: name, seen: 0 });
    }
  }
  return expected;
}

/** One range for each partition: from the first batch to the last. */
function rangesOf(rows: readonly LedgerRow[]): ReadRange[] {
  const partitions = Map.groupBy(rows, ({ partition }) => partition);
  return [...partitions].map(([partition, own]) => {
    const unknown = own.some(({ firstOffset }) => firstOffset === null);
    if (unknown) return { partition, fromOffset: null, toOffset: null };
    const fromOffset = Math.min(...own.map((row) => row.firstOffset as number));
    const toOffset = Math.max(...own.map((row) => row.lastOffset as number));
    return { partition, fromOffset, toOffset };
  });
}

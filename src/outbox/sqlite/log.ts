/** Reading the log: always a bounded range of one lane's index, ascending by seq. */
import type { LoggedEvent } from '../../core/event.ts';
import type { BatchBounds } from '../store.ts';
import type { Database, Statement } from './database.ts';

/** Plan of this query is asserted in a test: an index range, no sort. */
export const batchSql = `
  SELECT seq, lane, id, topic, key, value, headers, partition, created_at AS createdAtMs
  FROM outbox_events WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?`;

export class LogTable {
  readonly #batch: Statement;
  readonly #next: Statement;
  readonly #accepted: Statement;

  constructor(db: Database) {
    this.#batch = db.prepare(batchSql);
    this.#next = db.prepare(`
      SELECT seq, created_at AS createdAtMs FROM outbox_events
      WHERE lane = ? AND seq > ? ORDER BY seq LIMIT 1`);
    this.#accepted = db
      .prepare("SELECT seq FROM sqlite_sequence WHERE name = 'outbox_events'")
      .pluck();
  }

  /** Rows are taken one by one, so that a thousand large ones are not in memory at once. */
  readBatch(lane: number, afterSeq: number, bounds: BatchBounds): LoggedEvent[] {
    const events: LoggedEvent[] = [];
    let bytes = 0;
    for (const row of this.#batch.iterate(lane, afterSeq, bounds.events)) {
      const event = row as LoggedEvent;
      bytes += bytesOf(event);
      if (bytes > bounds.bytes && events.length > 0) break;
      events.push(event);
    }
    return events;
  }

  /** The first event of a lane above a seq, without its bytes. */
  next(lane: number, afterSeq: number): { seq: number; createdAtMs: number } | null {
    const row = this.#next.get(lane, afterSeq);
    return (row as { seq: number; createdAtMs: number } | undefined) ?? null;
  }

  /** The highest seq ever given; survives pruning. */
  accepted(): number {
    return (this.#accepted.get() as number | undefined) ?? 0;
  }
}

function bytesOf({ key, value, headers }: LoggedEvent): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0);
}

/** Where delivered events are: written with the cursor, kept as long as the events themselves. */
import type { LedgerEntry } from '../held.ts';
import type { Database, Statement } from './database.ts';

export class LedgerTable {
  readonly #insert: Statement;
  readonly #forget: Statement;

  constructor(db: Database) {
    this.#insert = db.prepare(`
      INSERT INTO outbox_ledger
        (at, lane, topic, partition, first_seq, last_seq, events, first_offset, last_offset)
      SELECT @nowMs, @lane, value ->> 'topic', value ->> 'partition', value ->> 'firstSeq',
        value ->> 'lastSeq', value ->> 'events', value ->> 'firstOffset',
        (value ->> 'firstOffset') + (value ->> 'events') - 1
      FROM json_each(@entries)`);
    this.#forget = db.prepare(`
      DELETE FROM outbox_ledger WHERE id IN (
        SELECT id FROM outbox_ledger WHERE at < ?
          AND last_seq < ifnull((SELECT min(seq) FROM outbox_events), last_seq + 1)
        ORDER BY at LIMIT ?)`);
  }

  /** One statement for all topic-partitions of a batch. Runs inside a transaction. */
  insert(lane: number, entries: readonly LedgerEntry[], nowMs: number): void {
    if (entries.length === 0) return;
    this.#insert.run({ lane, nowMs, entries: JSON.stringify(entries) });
  }

  forget(beforeMs: number, rows: number): void {
    this.#forget.run(beforeMs, rows);
  }
}

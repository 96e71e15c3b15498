/** What the file knows of transactions that are not settled. */
import type { Hold } from '../held.ts';
import type { Lease } from '../lease.ts';
import type { LaneRecovery, RecoveryStore, SendingEvent } from '../recovery.ts';
import type { Database, Statement } from './database.ts';
import { toOutboxError } from './failures.ts';
import type { HeldRows } from './held-rows.ts';
import type { LaneTable } from './lanes.ts';
import type { Writer } from './writer.ts';

export interface SqliteRecoveryParts {
  readonly db: Database;
  readonly writer: Writer;
  readonly lanes: LaneTable;
  readonly rows: HeldRows;
}

export class SqliteRecoveryStore implements RecoveryStore {
  readonly #parts: SqliteRecoveryParts;
  readonly #lane: Statement;
  readonly #incarnation: Statement;
  readonly #left: Statement;
  readonly #sending: Statement;
  readonly #idOf: Statement;
  readonly #aside: Statement;
  readonly #begin: Statement;
  readonly #end: Statement;
  readonly #passed: Statement;
  readonly #pass: Statement;
  readonly #takeBack: Statement;
  readonly #takenBack: Statement;
  readonly #countAside: Statement;

  constructor(parts: SqliteRecoveryParts) {
    this.#parts = parts;
    const { db } = parts;
    this.#lane = db.prepare('SELECT open, send_no AS sendNo FROM outbox_lanes WHERE lane = ?');
    this.#incarnation = db.prepare('SELECT incarnation FROM outbox_meta').pluck();
    this.#left = db
      .prepare(`
        SELECT open OR EXISTS (
          SELECT 1 FROM outbox_held AS h WHERE h.lane = l.lane AND h.seq > l.cursor)
        FROM outbox_lanes AS l WHERE lane = ?`)
      .pluck();
    this.#sending = db.prepare(`
      SELECT h.seq, e.id FROM outbox_held AS h JOIN outbox_events AS e ON e.seq = h.seq
      WHERE h.lane = ? AND h.send_no IS NOT NULL ORDER BY h.seq`);
    this.#idOf = db.prepare('SELECT id FROM outbox_events WHERE seq = ? AND lane = ?').pluck();
    this.#aside = db
      .prepare('SELECT count(*) FROM outbox_held WHERE lane = ? AND seq > ? AND seq <= ?')
      .pluck();
    this.#begin = db.prepare('UPDATE outbox_lanes SET open = 1 WHERE lane = ?');
    this.#end = db.prepare('UPDATE outbox_lanes SET open = 0 WHERE lane = ? AND fence = ?');
    // Of one transaction, as a rule: no more was under way.
    this.#passed = db
      .prepare(`
        SELECT count(*) FROM outbox_events WHERE lane = @lane AND seq > @cursor AND seq <= @seq
          AND NOT EXISTS (SELECT 1 FROM outbox_held AS h WHERE h.seq = outbox_events.seq)`)
      .pluck();
    this.#pass = db.prepare(`
      UPDATE outbox_lanes SET cursor = @seq, delivered = delivered + @delivered,
        failures = 0, last_error = NULL
      WHERE lane = @lane AND cursor < @seq`);
    this.#takeBack = db.prepare('DELETE FROM outbox_held WHERE lane = ? AND seq > ?');
    this.#takenBack = db.prepare(`
      UPDATE outbox_lanes SET held = held - @gone, held_revision = held_revision + 1
      WHERE lane = @lane`);
    this.#countAside = db.prepare('UPDATE outbox_lanes SET held = held + ? WHERE lane = ?');
  }

  read(lane: number): LaneRecovery {
    return this.#do(() => {
      const row = this.#lane.get(lane) as { open: 0 | 1; sendNo: number };
      return { ...row, open: row.open === 1, sending: this.#sending.all(lane) as SendingEvent[] };
    });
  }

  incarnation(): string {
    return this.#do(() => this.#incarnation.get() as string);
  }

  isLeft(lane: number): boolean {
    return this.#do(() => this.#left.get(lane) === 1);
  }

  idOf(lane: number, seq: number): string | null {
    return this.#do(() => (this.#idOf.get(seq, lane) as string | undefined) ?? null);
  }

  countAside(lane: number, afterSeq: number, seq: number): number {
    return this.#do(() => this.#aside.get(lane, afterSeq, seq) as number);
  }

  begin(lease: Lease): Promise<boolean> {
    return this.#asOwner('beginning transactions', lease, () => this.#begin.run(lease.lane));
  }

  end(lane: number, fence: number): Promise<void> {
    return this.#parts.writer.write('ending transactions', () => {
      if (this.#end.run(lane, fence).changes === 0) return;
      this.#backTo(lane, this.#parts.lanes.read(lane)?.cursor ?? 0);
    });
  }

  setAside(lease: Lease, holds: readonly Hold[]): Promise<boolean> {
    const { lane } = lease;
    return this.#asOwner('setting events aside', lease, () => {
      this.#parts.rows.insert(lane, holds);
      this.#countAside.run(holds.length, lane);
    });
  }

  passTo(lease: Lease, seq: number): Promise<boolean> {
    const { lanes } = this.#parts;
    const { lane } = lease;
    return this.#asOwner('passing what Kafka has', lease, () => {
      const cursor = lanes.read(lane)?.cursor ?? 0;
      if (seq > cursor) {
        const delivered = this.#passed.get({ lane, cursor, seq });
        this.#pass.run({ lane, seq, delivered });
      }
      this.#backTo(lane, Math.max(seq, cursor));
    });
  }

  #backTo(lane: number, cursor: number): void {
    const gone = this.#takeBack.run(lane, cursor).changes;
    if (gone > 0) this.#takenBack.run({ lane, gone });
  }

  #asOwner(doing: string, lease: Lease, work: () => unknown): Promise<boolean> {
    return this.#parts.writer.write(doing, () => {
      if (!this.#parts.lanes.holds(lease)) return false;
      work();
      return true;
    });
  }

  #do<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw toOutboxError(error, 'reading what is not settled');
    }
  }
}

/**
 * Deleting delivered events, a few thousand rows per commit.
 *
 * Normally a range of the log's head: below the first pending seq of every lane. A lane that is
 * far behind would keep everybody's events, so it stops counting and the others are pruned lane by
 * lane. Held events stay, but for skipped ones; so does, by the bound, every pending one.
 */
import type { LaneRecord } from '../store.ts';
import type { Database, Statement } from './database.ts';
import type { LogTable } from './log.ts';

/** A lane more than this many rows behind no longer holds back the pruning of the others. */
const behindMax = 100_000;
/** Pages given back at once, and the share of free pages from which it is worth the writes. */
const vacuumPages = 1_000;
const vacuumShare = 0.25;

export interface PruneTimes {
  /** Events created before this are old, wall time. */
  readonly beforeMs: number;
  readonly nowMs: number;
}

interface Pass {
  readonly name: 'head' | number;
  readonly lane: number | null;
  /** Only events below this seq. */
  readonly end: number;
  readonly rows: number;
}

interface PrunableRow {
  readonly seq: number;
  readonly createdAtMs: number;
  readonly held: 0 | 1;
}

export class Pruner {
  readonly #db: Database;
  readonly #log: LogTable;
  readonly #headWindow: Statement;
  readonly #laneWindow: Statement;
  readonly #deleteHead: Statement;
  readonly #deleteOfLane: Statement;
  readonly #forgetSkipped: Statement;
  readonly #forgetDedupe: Statement;
  readonly #shrinks: boolean;
  /** Where the next pass over the head, or over a lane, begins. */
  readonly #from = new Map<'head' | number, number>();

  constructor(db: Database, log: LogTable) {
    this.#db = db;
    this.#log = log;
    const window = (where: string) => `
      SELECT e.seq, e.created_at AS createdAtMs, h.seq IS NOT NULL AS held
      FROM outbox_events AS e
      LEFT JOIN outbox_held AS h ON h.seq = e.seq AND h.state <> 'skipped'
      WHERE ${where} ORDER BY e.seq LIMIT @rows`;
    this.#headWindow = db.prepare(window('e.seq > @from AND e.seq < @end'));
    this.#laneWindow = db.prepare(window('e.lane = @lane AND e.seq > @from AND e.seq < @end'));
    this.#deleteHead = db.prepare('DELETE FROM outbox_events WHERE seq BETWEEN @first AND @last');
    this.#deleteOfLane = db.prepare(`
      DELETE FROM outbox_events WHERE lane = @lane AND seq BETWEEN @first AND @last`);
    this.#forgetSkipped = db.prepare(`
      DELETE FROM outbox_held WHERE state = 'skipped' AND seq BETWEEN @first AND @last
        AND NOT EXISTS (SELECT 1 FROM outbox_events AS e WHERE e.seq = outbox_held.seq)`);
    this.#forgetDedupe = db.prepare(`
      DELETE FROM outbox_dedupe WHERE key IN (
        SELECT key FROM outbox_dedupe WHERE expires_at <= @nowMs ORDER BY expires_at LIMIT @rows)`);
    this.#shrinks = Number(db.pragma('auto_vacuum', { simple: true })) === 2;
  }

  /** Runs inside a write transaction. Returns how many events were deleted, at most `rows`. */
  prune(lanes: readonly LaneRecord[], times: PruneTimes, rows: number): number {
    const end = this.#log.accepted() + 1;
    const firstPending = new Map(
      lanes.map(({ lane, cursor }) => [lane, this.#log.next(lane, cursor)?.seq ?? end]),
    );
    const bound = Math.min(end, ...firstPending.values());
    let deleted = this.#pass({ name: 'head', lane: null, end: bound, rows }, times);
    if (end - bound <= behindMax) return deleted;
    for (const { lane, cursor } of lanes) {
      if (deleted >= rows) break;
      const left = { name: lane, lane, end: cursor + 1, rows: rows - deleted };
      deleted += this.#pass(left, times);
    }
    return deleted;
  }

  /**
   * Looks at no more than `rows` events, from where the last pass ended, and deletes the old ones.
   * It ends at the first that is too young: what follows is younger still, and looking at all of
   * it would cost as much as there is. Held events, and those of a clock that was ahead, are
   * stepped over until the next round.
   */
  #pass({ name, lane, end, rows }: Pass, { beforeMs, nowMs }: PruneTimes): number {
    const from = this.#from.get(name) ?? 0;
    const window = lane === null ? this.#headWindow : this.#laneWindow;
    const bounds = lane === null ? { from, end, rows } : { from, end, rows, lane };
    const ranges: { first: number; last: number }[] = [];
    let next = 0;
    let open = false;
    for (const row of window.iterate(bounds) as IterableIterator<PrunableRow>) {
      const ahead = row.createdAtMs > nowMs;
      if (row.held === 0 && !ahead && row.createdAtMs >= beforeMs) {
        next = 0;
        break;
      }
      const deletable = row.held === 0 && !ahead;
      const range = ranges.at(-1);
      if (deletable && open && range !== undefined) range.last = row.seq;
      else if (deletable) ranges.push({ first: row.seq, last: row.seq });
      open = deletable;
      next = row.seq;
    }
    // A pass that saw nothing has come to the end: the next one begins anew.
    this.#from.set(name, next);
    const remove = lane === null ? this.#deleteHead : this.#deleteOfLane;
    return ranges.reduce((count, range) => {
      const { changes } = remove.run({ ...range, lane });
      this.#forgetSkipped.run(range);
      return count + changes;
    }, 0);
  }

  forgetDedupe(nowMs: number, rows: number): void {
    this.#forgetDedupe.run({ nowMs, rows });
  }

  /** Whether enough pages are free that giving some back is worth a write. */
  worthShrinking(): boolean {
    if (!this.#shrinks) return false;
    const free = Number(this.#db.pragma('freelist_count', { simple: true }));
    const all = Number(this.#db.pragma('page_count', { simple: true }));
    return free >= vacuumPages && free / all >= vacuumShare;
  }

  shrink(): void {
    this.#db.pragma(`incremental_vacuum(${vacuumPages})`);
  }
}

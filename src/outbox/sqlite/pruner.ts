/**
 * Deleting delivered events, a few thousand rows per commit.
 *
 * Normally a range of the log's head: below the first pending seq of every lane. A lane that is
 * far behind would keep everybody's events, so it stops counting and the others are pruned lane by
 * lane. Held events stay; so does, by the bound, every pending one.
 */
import type { LaneRecord } from '../store.ts';
import type { Database, Statement } from './database.ts';
import type { LogTable } from './log.ts';

/** A lane more than this many rows behind no longer holds back the pruning of the others. */
const behindMax = 100_000;
/** Pages given back at once, and the share of free pages from which it is worth the writes. */
const vacuumPages = 1_000;
const vacuumShare = 0.25;

export class Pruner {
  readonly #db: Database;
  readonly #log: LogTable;
  readonly #deleteHead: Statement;
  readonly #deleteOfLane: Statement;
  readonly #forgetDedupe: Statement;
  readonly #shrinks: boolean;

  constructor(db: Database, log: LogTable) {
    this.#db = db;
    this.#log = log;
    const notHeld = 'seq NOT IN (SELECT seq FROM outbox_held)';
    this.#deleteHead = db.prepare(`
      DELETE FROM outbox_events WHERE seq IN (
        SELECT seq FROM outbox_events
        WHERE seq < @bound AND created_at < @beforeMs AND ${notHeld} ORDER BY seq LIMIT @rows)`);
    this.#deleteOfLane = db.prepare(`
      DELETE FROM outbox_events WHERE seq IN (
        SELECT seq FROM outbox_events
        WHERE lane = @lane AND seq <= @cursor AND created_at < @beforeMs AND ${notHeld}
        ORDER BY seq LIMIT @rows)`);
    this.#forgetDedupe = db.prepare(`
      DELETE FROM outbox_dedupe WHERE key IN (
        SELECT key FROM outbox_dedupe WHERE expires_at <= @nowMs ORDER BY expires_at LIMIT @rows)`);
    this.#shrinks = Number(db.pragma('auto_vacuum', { simple: true })) === 2;
  }

  /** Runs inside a write transaction. Returns how many events were deleted. */
  prune(lanes: readonly LaneRecord[], beforeMs: number, rows: number): number {
    const end = this.#log.accepted() + 1;
    const firstPending = new Map(
      lanes.map(({ lane, cursor }) => [lane, this.#log.next(lane, cursor)?.seq ?? end]),
    );
    const bound = Math.min(end, ...firstPending.values());
    let deleted = this.#deleteHead.run({ bound, beforeMs, rows }).changes;
    if (end - bound <= behindMax) return deleted;
    for (const { lane, cursor } of lanes) {
      if (deleted >= rows) break;
      const left = rows - deleted;
      deleted += this.#deleteOfLane.run({ lane, cursor, beforeMs, rows: left }).changes;
    }
    return deleted;
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

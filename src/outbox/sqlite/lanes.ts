/**
 * Statements on lanes. Every write of an owner is guarded by its fence, and a cursor only grows;
 * zero changed rows means that the lease was lost.
 */
import type { LaneFailure, LaneRecord, Lease, Settlement } from '../store.ts';
import type { Database, Statement } from './database.ts';
import { knownSchema, oldestCodeSql } from './migrate.ts';

interface LaneRow {
  readonly lane: number;
  readonly cursor: number;
  readonly owner: string | null;
  readonly fence: number;
  readonly renewals: number;
  readonly failures: number;
  readonly last_error: string | null;
  readonly delivered: number;
  readonly delivered_by_job: number;
  readonly rounds_used_up: number;
  readonly held: number;
  readonly held_revision: number;
  readonly paused: 0 | 1;
}

interface HeldCounts {
  /** Added to what is held. */
  readonly held: number;
  readonly delivered: number;
  readonly via: 'job' | 'sweep';
}

const columns = `lane, cursor, owner, fence, renewals, failures, last_error,
  delivered, delivered_by_job, rounds_used_up, held, held_revision, paused`;
const isOwners = 'lane = @lane AND owner = @owner AND fence = @fence';

export class LaneTable {
  readonly #read: Statement;
  readonly #readAll: Statement;
  readonly #withWork: Statement;
  readonly #nextDue: Statement;
  readonly #claim: Statement;
  readonly #renew: Statement;
  readonly #holds: Statement;
  readonly #release: Statement;
  readonly #settle: Statement;
  readonly #fail: Statement;
  readonly #countRound: Statement;
  readonly #nextSendNo: Statement;
  readonly #countHeld: Statement;

  constructor(db: Database) {
    this.#read = db.prepare(`SELECT ${columns} FROM outbox_lanes WHERE lane = ?`);
    this.#readAll = db.prepare(`SELECT ${columns} FROM outbox_lanes ORDER BY lane`);
    this.#withWork = db
      .prepare(`
        SELECT lane FROM outbox_lanes AS l WHERE paused = 0 AND (
          EXISTS (SELECT 1 FROM outbox_events AS e WHERE e.lane = l.lane AND e.seq > l.cursor)
          OR EXISTS (
            SELECT 1 FROM outbox_held AS h WHERE h.lane = l.lane AND h.next_attempt_at <= @nowMs)
          OR EXISTS (
            SELECT 1 FROM outbox_stops AS s
            WHERE s.lane = l.lane AND (s.draining OR s.next_attempt_at <= @nowMs)))`)
      .pluck();
    this.#nextDue = db
      .prepare(`
        SELECT min(min(
          coalesce((SELECT min(next_attempt_at) FROM outbox_held AS h
            WHERE h.lane = l.lane AND next_attempt_at IS NOT NULL), @never),
          coalesce((SELECT min(next_attempt_at) FROM outbox_stops AS s
            WHERE s.lane = l.lane), @never)))
        FROM outbox_lanes AS l WHERE paused = 0`)
      .pluck();
    this.#claim = db
      .prepare(`
        UPDATE outbox_lanes SET owner = @owner, fence = fence + 1
        WHERE lane = @lane AND fence = @fence AND ${oldestCodeSql} <= @known RETURNING fence`)
      .pluck();
    this.#renew = db.prepare('UPDATE outbox_lanes SET renewals = renewals + 1 WHERE owner = ?');
    this.#holds = db.prepare(
      `SELECT 1 FROM outbox_lanes WHERE ${isOwners} AND ${oldestCodeSql} <= @known`,
    );
    this.#release = db.prepare(`UPDATE outbox_lanes SET owner = NULL WHERE ${isOwners}`);
    this.#settle = db.prepare(`
      UPDATE outbox_lanes SET cursor = @cursor, delivered = delivered + @delivered,
        delivered_by_job = delivered_by_job + @byJob, held = held + @held,
        failures = 0, last_error = NULL
      WHERE ${isOwners} AND cursor < @cursor`);
    this.#fail = db.prepare(`
      UPDATE outbox_lanes SET failures = failures + 1, last_error = @error WHERE ${isOwners}`);
    this.#countRound = db.prepare(
      'UPDATE outbox_lanes SET rounds_used_up = rounds_used_up + 1 WHERE lane = ?',
    );
    this.#nextSendNo = db
      .prepare(`UPDATE outbox_lanes SET send_no = send_no + 1 WHERE ${isOwners} RETURNING send_no`)
      .pluck();
    this.#countHeld = db.prepare(`
      UPDATE outbox_lanes SET held = held + @held, delivered = delivered + @delivered,
        delivered_by_job = delivered_by_job + @byJob, failures = 0, last_error = NULL
      WHERE lane = @lane`);
  }

  read(lane: number): LaneRecord | null {
    const row = this.#read.get(lane);
    return row === undefined ? null : toRecord(row as LaneRow);
  }

  readAll(): LaneRecord[] {
    return (this.#readAll.all() as LaneRow[]).map(toRecord);
  }

  withWork(nowMs: number): number[] {
    return this.#withWork.all({ nowMs }) as number[];
  }

  nextDueAtMs(): number | null {
    const never = Number.MAX_SAFE_INTEGER;
    const atMs = this.#nextDue.get({ never }) as number | null;
    return atMs === null || atMs === never ? null : atMs;
  }

  claim(lane: number, owner: string, fence: number): Lease | null {
    const known = knownSchema();
    const next = this.#claim.get({ lane, owner, fence, known }) as number | undefined;
    return next === undefined ? null : { lane, owner, fence: next };
  }

  renew(owner: string): void {
    this.#renew.run(owner);
  }

  holds(lease: Lease): boolean {
    return this.#holds.get({ ...lease, known: knownSchema() }) !== undefined;
  }

  release(lease: Lease): boolean {
    return this.#release.run(lease).changes === 1;
  }

  settle(lease: Lease, { cursor, delivered, via, holds = [] }: Settlement): boolean {
    const byJob = via === 'job' ? delivered : 0;
    const counts = { delivered, byJob, held: holds.length };
    return this.#settle.run({ ...lease, cursor, ...counts }).changes === 1;
  }

  /** A number for the next send of held events; `null` when the lease was lost. */
  nextSendNo(lease: Lease): number | null {
    return (this.#nextSendNo.get(lease) as number | undefined) ?? null;
  }

  countHeld(lane: number, change: HeldCounts): void {
    const byJob = change.via === 'job' ? change.delivered : 0;
    this.#countHeld.run({ lane, held: change.held, delivered: change.delivered, byJob });
  }

  fail(lease: Lease, failure: LaneFailure): boolean {
    return this.#fail.run({ ...lease, error: JSON.stringify(failure) }).changes === 1;
  }

  countRound(lane: number): void {
    this.#countRound.run(lane);
  }
}

function toRecord(row: LaneRow): LaneRecord {
  return {
    lane: row.lane,
    cursor: row.cursor,
    owner: row.owner,
    fence: row.fence,
    renewals: row.renewals,
    failures: row.failures,
    failure: row.last_error === null ? null : (JSON.parse(row.last_error) as LaneFailure),
    delivered: row.delivered,
    deliveredByJob: row.delivered_by_job,
    roundsUsedUp: row.rounds_used_up,
    held: row.held,
    heldRevision: row.held_revision,
    paused: row.paused === 1,
  };
}

/**
 * Statements on lanes. Every write of an owner is guarded by its fence, and a cursor only grows;
 * zero changed rows means that the lease was lost.
 */
import type { LaneFailure, LaneRecord, Lease, Settlement } from '../store.ts';
import type { Database, Statement } from './database.ts';
import { knownSchema, oldestCodeSql, refuseTooOld } from './migrate.ts';

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
}

const columns = `lane, cursor, owner, fence, renewals, failures, last_error,
  delivered, delivered_by_job, rounds_used_up`;
const isOwners = 'lane = @lane AND owner = @owner AND fence = @fence';

export class LaneTable {
  readonly #read: Statement;
  readonly #readAll: Statement;
  readonly #withWork: Statement;
  readonly #claim: Statement;
  readonly #renew: Statement;
  readonly #oldestCode: Statement;
  readonly #holds: Statement;
  readonly #release: Statement;
  readonly #settle: Statement;
  readonly #fail: Statement;
  readonly #countRound: Statement;

  constructor(db: Database) {
    this.#read = db.prepare(`SELECT ${columns} FROM outbox_lanes WHERE lane = ?`);
    this.#readAll = db.prepare(`SELECT ${columns} FROM outbox_lanes ORDER BY lane`);
    this.#withWork = db
      .prepare(`
        SELECT lane FROM outbox_lanes AS l WHERE EXISTS (
          SELECT 1 FROM outbox_events AS e WHERE e.lane = l.lane AND e.seq > l.cursor)`)
      .pluck();
    this.#claim = db
      .prepare(`
        UPDATE outbox_lanes SET owner = @owner, fence = fence + 1
        WHERE lane = @lane AND fence = @fence AND ${oldestCodeSql} <= @known RETURNING fence`)
      .pluck();
    this.#oldestCode = db.prepare(`SELECT ${oldestCodeSql}`).pluck();
    this.#renew = db.prepare('UPDATE outbox_lanes SET renewals = renewals + 1 WHERE owner = ?');
    this.#holds = db.prepare(`SELECT ${oldestCodeSql} FROM outbox_lanes WHERE ${isOwners}`).pluck();
    this.#release = db.prepare(`UPDATE outbox_lanes SET owner = NULL WHERE ${isOwners}`);
    this.#settle = db.prepare(`
      UPDATE outbox_lanes SET cursor = @cursor, delivered = delivered + @delivered,
        delivered_by_job = delivered_by_job + @byJob, failures = 0, last_error = NULL
      WHERE ${isOwners} AND cursor < @cursor`);
    this.#fail = db.prepare(`
      UPDATE outbox_lanes SET failures = failures + 1, last_error = @error WHERE ${isOwners}`);
    this.#countRound = db.prepare(
      'UPDATE outbox_lanes SET rounds_used_up = rounds_used_up + 1 WHERE lane = ?',
    );
  }

  read(lane: number): LaneRecord | null {
    const row = this.#read.get(lane);
    return row === undefined ? null : toRecord(row as LaneRow);
  }

  readAll(): LaneRecord[] {
    return (this.#readAll.all() as LaneRow[]).map(toRecord);
  }

  withWork(): number[] {
    return this.#withWork.all() as number[];
  }

  /** @throws SCHEMA_NEWER */
  claim(lane: number, owner: string, fence: number): Lease | null {
    const known = knownSchema();
    const next = this.#claim.get({ lane, owner, fence, known }) as number | undefined;
    if (next !== undefined) return { lane, owner, fence: next };
    refuseTooOld(this.#oldestCode.get() as number);
    return null;
  }

  renew(owner: string): void {
    this.#renew.run(owner);
  }

  /** @throws SCHEMA_NEWER */
  holds(lease: Lease): boolean {
    const oldest = this.#holds.get(lease) as number | undefined;
    if (oldest === undefined) return false;
    refuseTooOld(oldest);
    return true;
  }

  release(lease: Lease): boolean {
    return this.#release.run(lease).changes === 1;
  }

  settle(lease: Lease, { cursor, delivered, via }: Settlement): boolean {
    const byJob = via === 'job' ? delivered : 0;
    return this.#settle.run({ ...lease, cursor, delivered, byJob }).changes === 1;
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
  };
}

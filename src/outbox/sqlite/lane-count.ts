/**
 * Another number of lanes for an outbox that is drained and at rest.
 *
 * A key's lane follows from the number of lanes, so no event may wait and no relay may live while
 * it changes. Writers need not be stopped: they read the number in the transaction that stores.
 */
import { randomUUID } from 'node:crypto';
import { LanesInUseError } from '../../core/errors.ts';
import type { Database } from './database.ts';
import { isBusy, toOutboxError } from './failures.ts';

export interface LaneCount {
  readonly lanes: number;
  /** Asked inside the transaction: a relay announces itself before its first write. */
  readonly isRelayAlive: () => boolean;
}

/**
 * One IMMEDIATE transaction. Returns the number there was before.
 * @throws LANES_IN_USE, OUTBOX_BUSY
 */
export function changeLanes(db: Database, { lanes, isRelayAlive }: LaneCount): number {
  const work = db.transaction(() => {
    const before = Number(db.prepare('SELECT lanes FROM outbox_meta').pluck().get());
    if (before === lanes) return before;
    if (isRelayAlive()) throw new LanesInUseError('a relay of this outbox is running');
    if (db.prepare(waiting).get() !== undefined) {
      throw new LanesInUseError('the outbox holds events that are not delivered');
    }
    replaceLanes(db, lanes);
    return before;
  });
  try {
    return work.immediate();
  } catch (error) {
    throw isBusy(error) ? toOutboxError(error, 'changing the lanes') : error;
  }
}

const waiting = `
  SELECT 1 FROM outbox_lanes AS l WHERE EXISTS (
    SELECT 1 FROM outbox_events AS e WHERE e.lane = l.lane AND e.seq > l.cursor)
  UNION ALL SELECT 1 FROM outbox_held WHERE state <> 'skipped' LIMIT 1`;

/** The counters go on in lane 0: `status` adds them up. No fence is ever given twice. */
function replaceLanes(db: Database, lanes: number): void {
  const totals = db
    .prepare(`
      SELECT sum(delivered) AS delivered, sum(delivered_by_job) AS byJob,
        sum(rounds_used_up) AS rounds, sum(removed) AS removed, max(fence) AS fence,
        min(paused) AS paused FROM outbox_lanes`)
    .get() as Record<string, number>;
  // Delivered ones only; AUTOINCREMENT keeps their numbers from coming back.
  db.exec('DELETE FROM outbox_events; DELETE FROM outbox_lanes');
  db.exec('DELETE FROM outbox_held; DELETE FROM outbox_stops');
  const lastSeq = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'outbox_events'");
  const cursor = Number(lastSeq.pluck().get() ?? 0);
  const insert = db.prepare(
    'INSERT INTO outbox_lanes (lane, cursor, fence, paused) VALUES (?, ?, ?, ?)',
  );
  const { fence, paused } = totals;
  for (let lane = 0; lane < lanes; lane += 1) insert.run(lane, cursor, fence, paused);
  db.prepare(`
    UPDATE outbox_lanes
    SET delivered = @delivered, delivered_by_job = @byJob, rounds_used_up = @rounds,
      removed = @removed
    WHERE lane = 0`).run({ ...totals });
  // A lane's slot of the watermarks is another one's now: a new group begins without any.
  db.prepare('UPDATE outbox_meta SET lanes = ?, incarnation = ?').run(lanes, randomUUID());
}

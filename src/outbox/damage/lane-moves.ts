/** Events in a lane that the file has not: no relay has ever read them. */
import { type LaneInput, laneOf } from '../../core/lane.ts';
import type { Database } from '../sqlite/database.ts';

/** Puts each into its key's lane; where that has gone on, it is held. Returns how many are held. */
export function moveToLanes(db: Database, lanes: number): number {
  const strays = db
    .prepare('SELECT seq, id, topic, key, partition FROM outbox_events WHERE lane >= ?')
    .all(lanes) as (LaneInput & { readonly seq: number })[];
  const move = db.prepare('UPDATE outbox_events SET lane = ? WHERE seq = ?');
  const hold = db.prepare(`
    INSERT OR IGNORE INTO outbox_held (seq, lane, topic, order_key, state, code, message)
    SELECT e.seq, e.lane, e.topic, coalesce(e.key, CAST(CAST(e.partition AS TEXT) AS BLOB)),
      'blocked', 'REPAIRED', 'it was in a lane that the file has not'
    FROM outbox_events AS e JOIN outbox_lanes AS l ON l.lane = e.lane
    WHERE e.seq = ? AND e.seq <= l.cursor`);
  let held = 0;
  for (const event of strays) {
    move.run(laneOf(event, lanes), event.seq);
    held += hold.run(event.seq).changes;
  }
  return held;
}

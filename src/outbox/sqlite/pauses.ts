/** Pauses: kept in the file, so that they survive every restart. Runs inside a transaction. */
import { FilterInvalidError } from '../../core/errors.ts';
import type { PauseAct } from '../operator.ts';
import type { Database } from './database.ts';

/**
 * Returns how many lanes or topics are paused, or go on, by this.
 * @throws FILTER_INVALID for a lane that the file has not
 */
export function setPause(db: Database, { verb, target }: PauseAct, nowMs: number): number {
  const pause = verb === 'pause';
  if ('topic' in target) return pause ? pauseTopic(db, target.topic, nowMs) : resume(db, target);
  const lanes = 'lane' in target ? target.lane : null;
  if (lanes !== null) refuseUnknown(db, lanes);
  const { changes } = db
    .prepare(
      'UPDATE outbox_lanes SET paused = @to WHERE paused <> @to AND lane = ifnull(@lanes, lane)',
    )
    .run({ to: Number(pause), lanes });
  return changes + (pause || lanes !== null ? 0 : resume(db, { topic: null }));
}

/** "Nothing to do" would be taken for "it is paused already". */
function refuseUnknown(db: Database, lane: number): void {
  const count = Number(db.prepare('SELECT lanes FROM outbox_meta').pluck().get());
  if (lane >= 0 && lane < count) return;
  throw new FilterInvalidError(`lane: ${lane} is not one of this file, 0 to ${count - 1}`);
}

function pauseTopic(db: Database, topic: string, nowMs: number): number {
  const { changes } = db
    .prepare('INSERT OR IGNORE INTO outbox_pauses (topic, since) VALUES (?, ?)')
    .run(topic, nowMs);
  if (changes === 0) return 0;
  db.prepare(`
    UPDATE outbox_stops SET draining = 0, next_attempt_at = NULL WHERE topic = ?`).run(topic);
  tellOwners(db);
  return changes;
}

/** What the pause has set aside is due at once. */
function resume(db: Database, { topic }: { readonly topic: string | null }): number {
  const { changes } = db
    .prepare('DELETE FROM outbox_pauses WHERE topic = ifnull(?, topic)')
    .run(topic);
  if (changes === 0) return 0;
  db.prepare(`
    UPDATE outbox_stops SET next_attempt_at = 0
    WHERE topic = ifnull(?, topic) AND next_attempt_at IS NULL AND draining = 0`).run(topic);
  tellOwners(db);
  return changes;
}

function tellOwners(db: Database): void {
  db.prepare('UPDATE outbox_lanes SET held_revision = held_revision + 1').run();
}

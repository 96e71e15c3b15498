/**
 * Where the events with these ids are. The log has no index by id: what is held is looked at first,
 * and only what is not found there costs a reading of the log. An event keeps its seq, so this need
 * not be done inside an act's transaction.
 */
import type { Database } from './database.ts';

const inHeld = `SELECT e.id, e.seq
  FROM outbox_held AS h CROSS JOIN outbox_events AS e ON e.seq = h.seq
  WHERE e.id IN (SELECT value FROM json_each(@ids)) LIMIT @count`;
const inLog = `SELECT id, seq FROM outbox_events
  WHERE id IN (SELECT value FROM json_each(@ids)) LIMIT @count`;

/** Seqs by id; ids of no event are not in it. Reads in lower case. */
export function seqsOfIds(db: Database, ids: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const text of [inHeld, inLog]) {
    const missing = new Set(ids.map((id) => id.toLowerCase()).filter((id) => !found.has(id)));
    if (missing.size === 0) break;
    const values = { ids: JSON.stringify([...missing]), count: missing.size };
    for (const { id, seq } of db.prepare(text).all(values) as { id: string; seq: number }[]) {
      found.set(id, seq);
    }
  }
  return found;
}

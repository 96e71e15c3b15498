/** Events of the log that could not be copied: which they are, and where else they are found. */
import type { Database } from '../sqlite/database.ts';
import { type RawEvent, rawEventColumns } from './event-pages.ts';
import { orNull, soundnessOf } from './soundness.ts';

export interface MissingList {
  /** How many events the index names. */
  readonly named: number;
  /** Whether the index itself is in order. */
  readonly isSound: boolean;
}

/** The index of the log names every event that there was, unless it is damaged itself. */
export function listMissing(db: Database): MissingList | null {
  db.exec('CREATE TEMP TABLE missing (seq INTEGER PRIMARY KEY, lane INTEGER NOT NULL)');
  const index = 'outbox_events_by_lane';
  const from = `FROM old.outbox_events AS i INDEXED BY ${index}`;
  // A damaged index can name one twice.
  const insert = `INSERT OR IGNORE INTO temp.missing (seq, lane) SELECT i.seq, i.lane ${from}
    WHERE NOT EXISTS (SELECT 1 FROM main.outbox_events AS e WHERE e.seq = i.seq)`;
  const counted = orNull(() => {
    db.prepare(insert).run();
    return Number(db.prepare(`SELECT count(DISTINCT i.seq) ${from}`).pluck().get());
  });
  if (counted === null) return null;
  const { damagedIndexes } = soundnessOf(db, 'outbox_events');
  return { named: counted, isSound: !damagedIndexes.has(index) };
}

/** Delivered ones that are not listed stay away: pages that are free may still show them. */
export function addFound(db: Database, events: Iterable<RawEvent>): number {
  db.exec('CREATE TEMP TABLE IF NOT EXISTS missing (seq INTEGER PRIMARY KEY, lane INTEGER)');
  const insert = db.prepare(`INSERT OR IGNORE INTO outbox_events (${rawEventColumns})
    SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
    WHERE EXISTS (SELECT 1 FROM temp.missing WHERE seq = ?)
      OR EXISTS (SELECT 1 FROM outbox_lanes WHERE lane = ? AND cursor < ?)
      OR EXISTS (SELECT 1 FROM outbox_held WHERE seq = ?)`);
  // One transaction: nothing in it reads the damaged file by SQLite.
  return db.transaction(() => {
    let found = 0;
    for (const event of events) {
      const [seq, , , lane] = event;
      found += insert.run(...event, seq, lane, seq, seq).changes;
    }
    return found;
  })();
}

export interface Listed {
  /** Whether it names every event that is there: otherwise numbers are damaged in either. */
  readonly agrees: boolean;
  readonly pending: number;
  readonly delivered: number;
}

export function countMissing(db: Database, { named, isSound }: MissingList): Listed {
  const text = `
    SELECT count(*) FILTER (WHERE open) AS pending, count(*) FILTER (WHERE NOT open) AS delivered
    FROM (
      SELECT i.seq > coalesce((SELECT cursor FROM outbox_lanes AS l WHERE l.lane = i.lane), 0)
        OR EXISTS (SELECT 1 FROM outbox_held AS h WHERE h.seq = i.seq) AS open
      FROM temp.missing AS i
      WHERE NOT EXISTS (SELECT 1 FROM main.outbox_events AS e WHERE e.seq = i.seq))`;
  const missing = db.prepare(text).get() as Omit<Listed, 'agrees'>;
  const there = db.prepare('SELECT count(*) FROM outbox_events').pluck().get();
  const known = Number(there) + missing.pending + missing.delivered;
  return { ...missing, agrees: isSound && known === named };
}

/** Numbers above the cursor that is furthest behind; some may be delivered and deleted. */
export function missingNumbers(db: Database, highest: number): number {
  const least = Number(db.prepare('SELECT min(cursor) FROM outbox_lanes').pluck().get());
  const text = 'SELECT count(*) FROM outbox_events WHERE seq > ? AND seq <= ?';
  return Math.max(0, highest - least - Number(db.prepare(text).pluck().get(least, highest)));
}

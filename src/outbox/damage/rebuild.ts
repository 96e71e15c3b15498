/**
 * Puts the state of the outbox together in the new file: cursors, what is held, counters, numbers.
 *
 * Whatever is not known is taken for the case that loses nothing: an event that may be pending is
 * sent again, one that may be held is held. A cursor is never set behind what proves that it was
 * further: every batch that was delivered has its rows in the ledger.
 */
import type { RepairFacts } from '../integrity.ts';
import type { Database } from '../sqlite/database.ts';
import type { RawEvent } from './event-pages.ts';
import { moveToLanes } from './lane-moves.ts';
import {
  addFound,
  countMissing,
  type Listed,
  listMissing,
  missingNumbers,
} from './missing-events.ts';
import { orNull, soundnessOf } from './soundness.ts';
import type { TableCopy } from './table-copy.ts';

export interface RebuildParts {
  readonly db: Database;
  readonly lanes: number;
  readonly copies: ReadonlyMap<string, TableCopy>;
  /** Events on any page of the file; asked only when something of them is missing. */
  readonly search: () => Iterable<RawEvent>;
  /** Whether the log may have lost commits: then every number and cursor may be too low. */
  readonly logLost: boolean;
  /** More events than could be written on what may be lost. */
  readonly seqsToLeaveOut: number;
  readonly nowMs: number;
}

export type Rebuilt = Omit<RepairFacts, 'outboxId' | 'outboxIdKept' | 'log' | 'tables'> & {
  readonly sequence: number;
};

/** In many transactions: nobody sees the new file before all of it is done. */
export function rebuild(parts: RebuildParts): Rebuilt {
  const { db, copies, logLost } = parts;
  const lanesOpen = db
    .prepare('SELECT lane FROM outbox_lanes WHERE open')
    .pluck()
    .all() as number[];
  const lanesReset = mendLanes(db, parts.lanes);
  const again = db.prepare(`DELETE FROM outbox_held WHERE seq > (
    SELECT cursor FROM outbox_lanes AS l WHERE l.lane = outbox_held.lane)`);
  const released = again.run().changes;
  const missing = !isWhole(copies.get('outbox_events'));
  const list = missing ? listMissing(db) : null;
  const found = missing || logLost ? addFound(db, parts.search()) : 0;
  const moved = moveToLanes(db, parts.lanes);
  const listed = list === null ? null : countMissing(db, list);
  const lostHeld = dropHeld(db, list !== null);
  const heldWhole = isWhole(copies.get('outbox_held'));
  const doubt = heldWhole ? 0 : holdDoubtful(db);
  mendHeld(db, parts.nowMs);
  const numbers = mendSequence(parts);
  const pending = countPending(db);
  // Without a hole in the table nothing is missing, whatever its index can still tell.
  const lost = missing ? lostOf(parts, listed, numbers.before) : 0;
  const delivered = missing ? (listed?.delivered ?? null) : 0;
  const isListExact = !missing || (listed?.agrees === true && lostHeld === 0);
  const isHeldExact = heldWhole || (delivered === 0 && lostHeld === 0);
  forgetDedupe(db, missing);
  mendCounters(db, numbers.sequence, pending);
  return {
    events: {
      read: (copies.get('outbox_events')?.read ?? 0) + found,
      found,
      lost: lost + lostHeld,
      lostExact: isListExact && isHeldExact && !logLost,
      lostDelivered: delivered,
    },
    lanesReset,
    setAside: doubt + moved,
    // What the log has lost can have delivered everything that is still to be sent, held ones too.
    mayRepeat: logLost
      ? pending + countHeld(db)
      : pendingOf(db, [...new Set([...lanesReset, ...lanesOpen])]) + doubt + released,
    seqsLeftOut: numbers.sequence - numbers.before,
    objectsLost: [],
    sequence: numbers.sequence,
  };
}

/** By the list; where its numbers are not to be relied on, no fewer than can be missing. */
function lostOf({ db, logLost }: RebuildParts, listed: Listed | null, before: number): number {
  if (listed !== null && (listed.agrees || logLost)) return listed.pending;
  // A damaged seq can be far above all that were given.
  const highest = logLost ? before : (oldSequence(db) ?? before);
  return Math.max(listed?.pending ?? 0, missingNumbers(db, highest));
}

const isWhole = (copy: TableCopy | undefined) =>
  copy !== undefined && copy.holes.length === 0 && copy.refused === 0;

/**
 * How far a lane has certainly been. Held events prove nothing: with transactions they are set
 * aside before the cursor passes them.
 */
const proven = 'coalesce((SELECT max(last_seq) FROM outbox_ledger WHERE lane = @lane), 0)';

/**
 * Returns the lanes whose cursor was lost, or is beyond every seq that was given; it is then where
 * others prove it to have been.
 */
function mendLanes(db: Database, lanes: number): number[] {
  db.prepare('DELETE FROM outbox_lanes WHERE lane >= ?').run(lanes);
  const insert = db.prepare(`INSERT INTO outbox_lanes (lane, cursor) SELECT @lane, ${proven}
    WHERE NOT EXISTS (SELECT 1 FROM outbox_lanes WHERE lane = @lane)`);
  const lower = db.prepare(`UPDATE outbox_lanes SET cursor = ${proven}
    WHERE lane = @lane AND cursor > @highest`);
  const highest = oldSequence(db) ?? Number.MAX_SAFE_INTEGER;
  const reset: number[] = [];
  for (let lane = 0; lane < lanes; lane += 1) {
    const changed = insert.run({ lane }).changes + lower.run({ lane, highest }).changes;
    if (changed > 0) reset.push(lane);
  }
  // Whoever owned a lane is gone; the next one takes a fence that nobody has had.
  db.exec('UPDATE outbox_lanes SET owner = NULL, fence = fence + 1, open = 0');
  return reset;
}

/** The highest seq that the old file says it has given; `null`: it does not say. */
function oldSequence(db: Database): number | null {
  const text = "SELECT seq FROM old.sqlite_sequence WHERE name = 'outbox_events'";
  return orNull(() => db.prepare(text).pluck().get() as number | undefined) ?? null;
}

/** Returns how many had an event that is lost, and that no list of missing ones counts. */
function dropHeld(db: Database, isListed: boolean): number {
  const where = 'WHERE seq NOT IN (SELECT seq FROM outbox_events)';
  const unlisted = isListed ? `${where} AND seq NOT IN (SELECT seq FROM temp.missing)` : where;
  const count = db.prepare(`SELECT count(*) FROM outbox_held ${unlisted}`).pluck().get();
  db.exec(`DELETE FROM outbox_held ${where}`);
  return Number(count);
}

/**
 * Rows of what is held are lost. Its index may still name them; otherwise every event below the
 * cursor may be one. They wait as blocked: the relay makes the first of each key its head.
 */
function holdDoubtful(db: Database): number {
  const index = 'outbox_held_by_key';
  const isDamaged = soundnessOf(db, 'outbox_held').damagedIndexes.has(index);
  const list = () => db.prepare(`SELECT seq FROM old.outbox_held INDEXED BY ${index}`);
  const named = isDamaged ? null : orNull(() => list().pluck().all());
  const which = named === null ? '' : 'AND e.seq IN (SELECT value FROM json_each(@named))';
  return db
    .prepare(`
      INSERT INTO outbox_held (seq, lane, topic, order_key, state, code, message)
      SELECT e.seq, e.lane, e.topic, coalesce(e.key, CAST(CAST(e.partition AS TEXT) AS BLOB)),
        'blocked', 'REPAIRED', 'what was known of it was lost with the file'
      FROM outbox_events AS e JOIN outbox_lanes AS l ON l.lane = e.lane
      WHERE e.seq <= l.cursor AND e.seq NOT IN (SELECT seq FROM outbox_held) ${which}`)
    .run({ named: JSON.stringify(named) }).changes;
}

/**
 * No send is outstanding any more, and whatever is to be tried has a time for it. On a blocked one
 * a time asks the relay whether it may go.
 */
function mendHeld(db: Database, nowMs: number): void {
  db.exec('UPDATE outbox_held SET send_no = NULL');
  db.prepare(`UPDATE outbox_held SET next_attempt_at = ?
    WHERE next_attempt_at IS NULL AND (state = 'retrying'
      OR (state = 'blocked' AND code = 'REPAIRED'))`).run(nowMs);
}

/** Above every number that anything proves to have been given. */
function mendSequence(parts: RebuildParts): { before: number; sequence: number } {
  const { db, logLost, seqsToLeaveOut } = parts;
  const old = oldSequence(db);
  const known = Number(
    db
      .prepare(`
        SELECT max(seq) FROM (
          SELECT max(seq) AS seq FROM outbox_events UNION ALL SELECT max(cursor) FROM outbox_lanes
          UNION ALL SELECT max(seq) FROM outbox_held UNION ALL SELECT max(seq) FROM outbox_dedupe
          UNION ALL SELECT max(last_seq) FROM outbox_ledger)`)
      .pluck()
      .get() ?? 0,
  );
  const before = Math.max(old ?? 0, known);
  const sure = old !== null && !logLost;
  const sequence = before + (sure ? 0 : seqsToLeaveOut);
  db.exec("DELETE FROM main.sqlite_sequence WHERE name = 'outbox_events'");
  db.prepare("INSERT INTO main.sqlite_sequence (name, seq) VALUES ('outbox_events', ?)").run(
    sequence,
  );
  return { before, sequence };
}

const countPending = (db: Database) => pendingOf(db, null);

function pendingOf(db: Database, lanes: readonly number[] | null): number {
  const which = lanes === null ? '' : 'WHERE l.lane IN (SELECT value FROM json_each(@lanes))';
  const text = `SELECT sum((SELECT count(*) FROM outbox_events AS e
      WHERE e.lane = l.lane AND e.seq > l.cursor)) FROM outbox_lanes AS l ${which}`;
  return Number(
    db
      .prepare(text)
      .pluck()
      .get({ lanes: JSON.stringify(lanes) }) ?? 0,
  );
}

function countHeld(db: Database): number {
  const text = "SELECT count(*) FROM outbox_held WHERE state <> 'skipped'";
  return Number(db.prepare(text).pluck().get());
}

/** The key of an event that is lost must not answer its next publisher "duplicate". */
function forgetDedupe(db: Database, missing: boolean): void {
  if (!missing) return;
  db.exec(`DELETE FROM outbox_dedupe WHERE seq > (SELECT min(cursor) FROM outbox_lanes)
    AND seq NOT IN (SELECT seq FROM outbox_events)`);
}

/**
 * What is neither delivered, held nor pending is counted as removed: status and bounds subtract.
 * Events that are to be sent again do not count as delivered any more.
 */
function mendCounters(db: Database, sequence: number, pending: number): void {
  db.exec(`UPDATE outbox_lanes SET held = (
    SELECT count(*) FROM outbox_held AS h
    WHERE h.lane = outbox_lanes.lane AND h.state <> 'skipped')`);
  const text = 'SELECT sum(delivered + held + removed) FROM outbox_lanes';
  const settled = Number(db.prepare(text).pluck().get());
  const rest = sequence - pending - settled;
  if (rest >= 0) {
    db.prepare('UPDATE outbox_lanes SET removed = removed + ? WHERE lane = 0').run(rest);
    return;
  }
  let tooMany = -rest;
  for (const column of ['delivered', 'removed']) {
    const rows = db.prepare(`SELECT lane, ${column} AS count FROM outbox_lanes`).all();
    for (const { lane, count } of rows as { lane: number; count: number }[]) {
      const less = Math.min(count, tooMany);
      db.prepare(`UPDATE outbox_lanes SET delivered_by_job = min(delivered_by_job,
        delivered - iif('${column}' = 'delivered', @less, 0)), ${column} = ${column} - @less
        WHERE lane = @lane`).run({ lane, less });
      tooMany -= less;
    }
  }
}

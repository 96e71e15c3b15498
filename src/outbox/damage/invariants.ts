/**
 * What must hold between the tables of an outbox, as statements that give a row for each breach.
 * A statement is one snapshot, so a relay and writers beside it cannot make a breach appear. Those
 * that read large tables are asked range by range: no read transaction lasts for long, which would
 * keep the log of changes growing.
 */
import { laneOf } from '../../core/lane.ts';
import type { FaultCode } from '../integrity.ts';
import type { Database } from '../sqlite/database.ts';

export interface Invariant {
  readonly code: FaultCode;
  /** Asked for `@after < seq <= @to` of this table; `null`: at once. */
  readonly ranges: 'outbox_held' | 'outbox_events' | null;
  /** Gives one text for each breach. */
  readonly breaches: (db: Database, range: SeqSpan) => Iterable<string>;
}

export interface SeqSpan {
  readonly after: number;
  readonly to: number;
}

/** The highest seq ever given. */
const sequenceSql = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox_events'), 0)";

const ask = (code: FaultCode, sql: string): Invariant => ({
  code,
  ranges: null,
  breaches: (db) => db.prepare(sql).pluck().iterate() as IterableIterator<string>,
});

const askHeld = (code: FaultCode, columns: string, where: string): Invariant => ({
  code,
  ranges: 'outbox_held',
  breaches: (db, range) => {
    const text = `SELECT 'seq ' || h.seq || ${columns} FROM outbox_held AS h ${where}
      AND h.seq > @after AND h.seq <= @to ORDER BY h.seq`;
    return db.prepare(text).pluck().iterate(range) as IterableIterator<string>;
  },
});

const joinEvent = 'LEFT JOIN outbox_events AS e ON e.seq = h.seq';
const orderKey = 'coalesce(e.key, CAST(CAST(e.partition AS TEXT) AS BLOB))';

/**
 * Up to here an event need not be there: it may be delivered and deleted. A repair leaves numbers
 * out, too; its row in the audit says up to which.
 */
const knownUpTo = `
  SELECT max(cursor) AS seq FROM outbox_lanes
  UNION ALL SELECT max(CASE WHEN json_valid(detail) THEN detail ->> 'sequence' END)
  FROM outbox_audit WHERE verb = 'repair'`;

/** In the order of the report. */
export const invariants: readonly Invariant[] = [
  ask(
    'lane.rows',
    `WITH RECURSIVE wanted (lane) AS (
      SELECT 0 UNION ALL SELECT lane + 1 FROM wanted
      WHERE lane + 1 < (SELECT lanes FROM outbox_meta))
    SELECT 'lane ' || lane || ' has no row' FROM wanted
    WHERE lane NOT IN (SELECT lane FROM outbox_lanes)
    UNION ALL
    SELECT 'lane ' || lane || ' is one too many' FROM outbox_lanes
    WHERE lane >= (SELECT lanes FROM outbox_meta)`,
  ),
  ask(
    'lane.cursor',
    `SELECT 'lane ' || lane || ': cursor ' || cursor || ', highest seq ' || ${sequenceSql}
    FROM outbox_lanes WHERE cursor > ${sequenceSql} ORDER BY lane`,
  ),
  ask(
    'sequence.behind',
    `WITH used (what, seq) AS (
      SELECT 'event', max(seq) FROM outbox_events
      UNION ALL SELECT 'held event', max(seq) FROM outbox_held
      UNION ALL SELECT 'dedupe key of seq', max(seq) FROM outbox_dedupe
      UNION ALL SELECT 'ledger up to seq', max(last_seq) FROM outbox_ledger)
    SELECT what || ' ' || seq || ', next seq ' || (${sequenceSql} + 1) FROM used
    WHERE seq > ${sequenceSql}`,
  ),
  ask(
    'lane.held_count',
    `SELECT 'lane ' || l.lane || ': counted ' || l.held || ', there are ' || coalesce(h.events, 0)
    FROM outbox_lanes AS l LEFT JOIN (
      SELECT lane, count(*) AS events FROM outbox_held WHERE state <> 'skipped' GROUP BY lane
    ) AS h ON h.lane = l.lane
    WHERE l.held <> coalesce(h.events, 0) ORDER BY l.lane`,
  ),
  ask(
    'lane.counters',
    `WITH n (accepted, settled, pending) AS (
      SELECT ${sequenceSql}, (SELECT sum(delivered + held + removed) FROM outbox_lanes),
        (SELECT sum((SELECT count(*) FROM outbox_events AS e
          WHERE e.lane = l.lane AND e.seq > l.cursor
            AND NOT EXISTS (SELECT 1 FROM outbox_held AS h WHERE h.seq = e.seq)))
          FROM outbox_lanes AS l))
    SELECT accepted || ' accepted, ' || settled || ' settled, ' || pending || ' pending' FROM n
    WHERE pending > 0 AND accepted - settled <> pending`,
  ),
  ask(
    'event.lane_unknown',
    `SELECT 'seq ' || seq || ', lane ' || lane FROM outbox_events
    WHERE lane >= (SELECT lanes FROM outbox_meta)`,
  ),
  { code: 'event.lane_wrong', ranges: 'outbox_events', breaches: wrongLanes },
  { code: 'event.missing', ranges: 'outbox_events', breaches: gaps },
  ask(
    'event.missing',
    `WITH top (seq) AS (SELECT max(seq) FROM (
      SELECT max(seq) AS seq FROM outbox_events UNION ALL SELECT seq FROM (${knownUpTo})))
    SELECT 'seq ' || (seq + 1) || iif(seq + 1 < ${sequenceSql}, ' to ' || ${sequenceSql}, '')
    FROM top WHERE seq < ${sequenceSql}`,
  ),
  askHeld('held.no_event', "', lane ' || h.lane", `${joinEvent} WHERE e.seq IS NULL`),
  askHeld(
    'held.wrong_place',
    "', lane ' || h.lane || ', its event is in lane ' || e.lane",
    `${joinEvent} WHERE e.seq IS NOT NULL AND (e.lane <> h.lane OR e.topic <> h.topic
      OR h.order_key IS NOT ${orderKey})`,
  ),
  askHeld(
    'held.ahead',
    "', cursor of lane ' || h.lane || ': ' || l.cursor",
    // With `open` they are set aside for a transaction that is not settled.
    'JOIN outbox_lanes AS l ON l.lane = h.lane WHERE h.seq > l.cursor AND NOT l.open',
  ),
  askHeld('held.no_time', "''", "WHERE h.state = 'retrying' AND h.next_attempt_at IS NULL"),
  ask(
    'held.two_heads',
    `SELECT 'seqs ' || group_concat(seq, ', ') FROM outbox_held
    WHERE state = 'retrying' AND order_key IS NOT NULL
    GROUP BY topic, order_key, lane HAVING count(*) > 1`,
  ),
  askHeld(
    'held.no_head',
    "', lane ' || h.lane",
    `WHERE h.state = 'blocked'
      AND NOT EXISTS (SELECT 1 FROM outbox_stops AS s WHERE s.lane = h.lane AND s.topic = h.topic)
      AND NOT EXISTS (SELECT 1 FROM outbox_pauses AS p WHERE p.topic = h.topic)
      AND NOT EXISTS (SELECT 1 FROM outbox_held AS o INDEXED BY outbox_held_by_key
        WHERE o.topic = h.topic AND o.order_key = h.order_key AND o.lane = h.lane
          AND o.state IN ('retrying', 'dead'))`,
  ),
  ask(
    'dedupe.other_event',
    `SELECT 'seq ' || d.seq || ': ' || d.id || ', the event is ' || e.id
    FROM outbox_dedupe AS d CROSS JOIN outbox_events AS e ON e.seq = d.seq WHERE e.id <> d.id`,
  ),
  ask(
    'audit.unreadable',
    "SELECT 'row ' || id FROM outbox_audit WHERE json_valid(detail) = 0 ORDER BY id",
  ),
  ask(
    'stop.lane_unknown',
    `SELECT topic || ', lane ' || lane FROM outbox_stops
    WHERE lane NOT IN (SELECT lane FROM outbox_lanes)`,
  ),
];

interface Placed {
  readonly seq: number;
  readonly lane: number;
  readonly lanes: number;
  readonly id: string;
  readonly topic: string;
  readonly key: Buffer | null;
  readonly partition: number | null;
}

/** Pending ones: the relay computes the lane of what it sends, and refuses these. */
function* wrongLanes(db: Database, range: SeqSpan): Generator<string> {
  const rows = db.prepare(`
    SELECT e.seq, e.lane, e.id, e.topic, e.key, e.partition, m.lanes
    FROM outbox_meta AS m CROSS JOIN outbox_events AS e JOIN outbox_lanes AS l ON l.lane = e.lane
    WHERE e.seq > @after AND e.seq <= @to AND e.seq > l.cursor ORDER BY e.seq`);
  for (const row of rows.iterate(range) as IterableIterator<Placed>) {
    const right = laneOf(row, row.lanes);
    if (right !== row.lane) yield `seq ${row.seq}: lane ${row.lane}, by its key ${right}`;
  }
}

/** Above every cursor nothing is ever deleted. */
function* gaps(db: Database, range: SeqSpan): Generator<string> {
  const found = db
    .prepare(`
      WITH bound (seq) AS (SELECT max(max(seq), @after) FROM (${knownUpTo})),
      steps (seq, before) AS (
        SELECT seq, lag(seq, 1, (SELECT seq FROM bound)) OVER (ORDER BY seq) FROM outbox_events
        WHERE seq > (SELECT seq FROM bound) AND seq <= @to)
      SELECT before + 1 AS first, seq - 1 AS last FROM steps WHERE seq > before + 1`)
    .iterate(range) as IterableIterator<{ first: number; last: number }>;
  for (const { first, last } of found) {
    yield first === last ? `seq ${first}` : `seq ${first} to ${last}`;
  }
}

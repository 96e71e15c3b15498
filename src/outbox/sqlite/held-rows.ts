/** Statements on held events and stops. None of them commits; the caller guards by the fence. */
import type {
  HeldChange,
  HeldEvent,
  HeldRange,
  HeldRules,
  Hold,
  Refusal,
  Stop,
  TopicKey,
} from '../held.ts';
import type { BatchBounds } from '../lease.ts';
import type { Database, Statement } from './database.ts';

const eventColumns = `e.seq, e.lane, e.id, e.topic, e.key, e.value, e.headers, e.partition,
  e.created_at AS createdAtMs, e.retries, e.delay_ms AS delayMs, h.order_key AS orderKey,
  h.attempts, h.code, h.message, h.first_failed_at AS firstFailedAtMs,
  h.last_failed_at AS lastFailedAtMs`;
const eventsOf = (held: string) => `SELECT ${eventColumns}
  FROM ${held} CROSS JOIN outbox_events AS e ON e.seq = h.seq`;
const from = eventsOf('outbox_held AS h');

/** The lane's own rows of the held table, and its stops. */
export class HeldRows {
  readonly #due: Statement;
  readonly #behind: Statement;
  readonly #stopped: Statement;
  readonly #stoppedPartition: Statement;
  readonly #uncopied: Statement;
  readonly #insert: Statement;
  readonly #refuse: Statement;
  readonly #headKeys: Statement;
  readonly #delete: Statement;
  readonly #promote: Statement;
  readonly #defer: Statement;
  readonly #clearMarks: Statement;
  readonly #mark: Statement;
  readonly #saveStop: Statement;
  readonly #endStop: Statement;
  readonly #keyOf: Statement;

  constructor(db: Database) {
    this.#due = db.prepare(`${from}
      WHERE h.lane = ? AND h.state = 'retrying' AND h.next_attempt_at <= ?
      ORDER BY h.next_attempt_at LIMIT ?`);
    this.#behind = db.prepare(`${eventsOf('outbox_held AS h INDEXED BY outbox_held_by_key')}
      WHERE h.topic = @topic AND h.order_key = @orderKey AND h.seq > @seq
        AND h.lane = @lane AND h.state = 'blocked'
      ORDER BY h.seq LIMIT @events`);
    const stopped = (where: string) => `${from}
      WHERE h.lane = @lane AND h.topic = @topic AND h.seq > @afterSeq AND h.state = 'blocked'
        ${where} ORDER BY h.seq LIMIT @events`;
    this.#stopped = db.prepare(stopped(''));
    this.#stoppedPartition = db.prepare(stopped('AND h.partition = @partition'));
    this.#uncopied = db.prepare(`${from}
      WHERE h.lane = ? AND h.state = 'dead' AND h.next_attempt_at <= ?
      ORDER BY h.next_attempt_at LIMIT ?`);
    this.#insert = db.prepare(insertHolds);
    this.#refuse = db.prepare(`
      UPDATE outbox_held SET attempts = attempts + 1, send_no = NULL, code = @code,
        message = @message, next_attempt_at = @nextAttemptAtMs, last_failed_at = @atMs,
        first_failed_at = coalesce(first_failed_at, @atMs),
        state = iif(@dead, 'dead', 'retrying')
      WHERE seq = @seq AND state IN ('retrying', 'blocked')`);
    this.#headKeys = db.prepare(`
      SELECT DISTINCT topic, order_key AS orderKey FROM outbox_held
      WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'retrying'
        AND order_key IS NOT NULL`);
    this.#delete = db.prepare(
      'DELETE FROM outbox_held WHERE seq IN (SELECT value FROM json_each(?))',
    );
    this.#promote = db.prepare(promoteNext);
    this.#defer = db.prepare(`
      UPDATE outbox_held SET next_attempt_at = @untilMs
      WHERE seq IN (SELECT value FROM json_each(@seqs)) AND state = @state`);
    this.#clearMarks = db.prepare(
      'UPDATE outbox_held SET send_no = NULL WHERE lane = ? AND send_no IS NOT NULL',
    );
    this.#mark = db.prepare(`
      UPDATE outbox_held SET send_no = ? WHERE seq IN (SELECT value FROM json_each(?))
        AND state IN ('retrying', 'blocked')`);
    this.#saveStop = db.prepare(upsertStop);
    this.#endStop = db.prepare(
      'DELETE FROM outbox_stops WHERE lane = ? AND topic = ? AND partition = ?',
    );
    this.#keyOf = db.prepare('SELECT topic, order_key AS orderKey FROM outbox_held WHERE seq = ?');
  }

  due(lane: number, nowMs: number, bounds: BatchBounds): HeldEvent[] {
    return within(this.#due.iterate(lane, nowMs, bounds.events), bounds.bytes);
  }

  behind(head: HeldEvent, bounds: BatchBounds): HeldEvent[] {
    const { topic, orderKey, seq, lane } = head;
    const rows = this.#behind.iterate({ topic, orderKey, seq, lane, events: bounds.events });
    return within(rows, bounds.bytes);
  }

  stopped({ lane, topic, partition, afterSeq }: HeldRange, bounds: BatchBounds): HeldEvent[] {
    const range = { lane, topic, afterSeq, events: bounds.events };
    const rows =
      partition === null
        ? this.#stopped.iterate(range)
        : this.#stoppedPartition.iterate({ ...range, partition });
    return within(rows, bounds.bytes);
  }

  uncopied(lane: number, nowMs: number, bounds: BatchBounds): HeldEvent[] {
    return within(this.#uncopied.iterate(lane, nowMs, bounds.events), bounds.bytes);
  }

  insert(lane: number, holds: readonly Hold[]): void {
    this.#insert.run(JSON.stringify(holds));
    for (const { refusal } of holds) if (refusal?.blocks === false) this.#pass(lane, refusal);
  }

  refuse(lane: number, refusal: Refusal): void {
    const { blocks, dead, ...facts } = refusal;
    // An operator may have taken it out while Kafka was asked.
    const { changes } = this.#refuse.run({ ...facts, dead: Number(dead) });
    if (changes === 1 && !blocks) this.#pass(lane, refusal);
  }

  /** Behind a dead one that blocks nobody the next of its key goes on. */
  #pass(lane: number, { seq, atMs: nowMs }: Refusal): void {
    const key = this.#keyOf.get(seq) as { topic: string; orderKey: Buffer | null };
    const { topic, orderKey } = key;
    if (orderKey !== null) this.free({ lane, topic, orderKey }, { deadBlocks: false }, nowMs);
  }

  /** Returns how many are gone from the table. */
  deliver(
    lane: number,
    { delivered: seqs = [], rules = blocking }: HeldChange,
    nowMs: number,
  ): number {
    if (seqs.length === 0) return 0;
    const json = JSON.stringify(seqs);
    const keys = this.#headKeys.all(json) as { topic: string; orderKey: Buffer }[];
    const gone = this.#delete.run(json).changes;
    for (const key of keys) this.free({ lane, ...key }, rules, nowMs);
    return gone;
  }

  defer({ seqs, ...how }: NonNullable<HeldChange['deferred']>): void {
    this.#defer.run({ ...how, seqs: JSON.stringify(seqs) });
  }

  /** Marks these as being sent and no others; false when one of them is not there any more. */
  mark(lane: number, seqs: readonly number[], sendNo: number): boolean {
    this.#clearMarks.run(lane);
    if (this.#mark.run(sendNo, JSON.stringify(seqs)).changes === seqs.length) return true;
    this.#clearMarks.run(lane);
    return false;
  }

  /** The next of a key becomes its head, unless it has one. */
  free(key: TopicKey & { readonly lane: number }, rules: HeldRules, nowMs: number): void {
    this.#promote.run({ ...key, deadBlocks: Number(rules.deadBlocks), nowMs });
  }

  clearMarks(lane: number): void {
    this.#clearMarks.run(lane);
  }

  saveStop(lane: number, stop: Stop): void {
    const partition = stop.partition ?? wholeTopic;
    this.#saveStop.run({ ...stop, lane, partition, draining: Number(stop.draining) });
  }

  endStop(lane: number, { topic, partition }: Pick<Stop, 'topic' | 'partition'>): void {
    this.#endStop.run(lane, topic, partition ?? wholeTopic);
  }
}

const blocking: HeldRules = { deadBlocks: true };

/** How the table says that a stop is of all partitions. */
export const wholeTopic = -1;

/** One statement for all: what is held is copied from the log inside SQLite. */
const insertHolds = `
  INSERT INTO outbox_held (seq, lane, topic, partition, order_key, state, attempts,
    next_attempt_at, code, message, first_failed_at, last_failed_at)
  SELECT e.seq, e.lane, e.topic, h.value ->> 'partition',
    coalesce(e.key, CAST(CAST(e.partition AS TEXT) AS BLOB)),
    CASE WHEN h.value -> 'refusal' = 'null' THEN 'blocked'
         WHEN h.value ->> '$.refusal.dead' THEN 'dead'
         ELSE 'retrying' END,
    h.value -> 'refusal' <> 'null',
    h.value ->> '$.refusal.nextAttemptAtMs', h.value ->> '$.refusal.code',
    h.value ->> '$.refusal.message', h.value ->> '$.refusal.atMs', h.value ->> '$.refusal.atMs'
  FROM json_each(?) AS h JOIN outbox_events AS e ON e.seq = h.value ->> 'seq'`;

/** Of one key, by the index that the planner, which has no statistics, would not take. */
export const ofKey = `FROM outbox_held INDEXED BY outbox_held_by_key
  WHERE topic = @topic AND order_key = @orderKey AND lane = @lane`;

/** The head of a key, if there is one. */
export const headOfKey = `SELECT seq ${ofKey}
  AND (state = 'retrying' OR (@deadBlocks AND state = 'dead')) LIMIT 1`;

/** The next of a key becomes its head, unless it has one. */
export const promoteNext = `
  UPDATE outbox_held SET state = 'retrying', attempts = 0, next_attempt_at = @nowMs
  WHERE seq = (SELECT min(seq) ${ofKey} AND state = 'blocked') AND NOT EXISTS (${headOfKey})`;

const upsertStop = `
  INSERT INTO outbox_stops
    (lane, topic, partition, code, message, since, attempts, next_attempt_at, draining)
  VALUES (@lane, @topic, @partition, @code, @message, @sinceMs, @attempts, @nextAttemptAtMs,
    @draining)
  ON CONFLICT (lane, topic, partition) DO UPDATE SET code = excluded.code,
    message = excluded.message, since = excluded.since, attempts = excluded.attempts,
    next_attempt_at = excluded.next_attempt_at, draining = excluded.draining`;

/** Rows are taken one by one, so that a thousand large ones are not in memory at once. */
function within(rows: IterableIterator<unknown>, bytesMax: number): HeldEvent[] {
  const events: HeldEvent[] = [];
  let bytes = 0;
  for (const row of rows as IterableIterator<HeldEvent>) {
    const { key, value, headers } = row;
    bytes += (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0);
    if (bytes > bytesMax && events.length > 0) break;
    events.push(row);
  }
  return events;
}

/**
 * Redrive, skip and purge: what they do to the rows. Runs inside a transaction, so it reads what is
 * held and never the log, and each key once, however many of its events are concerned.
 */
import {
  EventInFlightError,
  EventNotFoundError,
  EventNotHeldError,
  KeyBlockedError,
  type OutboxRelayError,
} from '../../core/errors.ts';
import type { Act, ActResult, ActVerb, EventFilter, EventState } from '../operator.ts';
import type { Database, Statement } from './database.ts';
import { whereOf } from './event-filter.ts';
import { headOfKey, ofKey, promoteNext } from './held-rows.ts';

interface Surroundings {
  readonly nowMs: number;
  readonly isAlive: (owner: string) => boolean;
  /** Seqs that were asked for by name: each must be such that the verb can do something. */
  readonly named: readonly number[];
}

interface Row {
  readonly seq: number;
  readonly lane: number;
  readonly topic: string;
  readonly orderKey: Buffer | null;
  readonly state: 'retrying' | 'blocked' | 'dead' | 'skipped';
  readonly sending: 0 | 1;
  /** Set aside for a transaction of which nobody knows yet. */
  readonly ahead: 0 | 1;
  /** Of its lane: Kafka may have what was being sent when its relay ended. */
  readonly open: 0 | 1;
  readonly owner: string | null;
}

/** What is held of one order key. */
interface KeyFacts {
  /** Seq of the one that is tried. */
  readonly tried: number | null;
  /** How many are tried or dead. */
  readonly heads: number;
  readonly blocked: 0 | 1 | null;
}

/** States that a verb has something to do with. */
const statesOf: Readonly<Record<ActVerb, readonly EventState[]>> = {
  redrive: ['retrying', 'dead', 'skipped'],
  skip: ['retrying', 'blocked', 'dead'],
  purge: ['retrying', 'blocked', 'dead', 'skipped'],
};

export class Acts {
  readonly #db: Database;
  readonly #state: Statement;
  readonly #otherHead: Statement;
  readonly #keyFacts: Statement;
  readonly #isStopped: Statement;
  readonly #restart: Statement;
  readonly #follow: Statement;
  readonly #skip: Statement;
  readonly #promote: Statement;
  readonly #ask: Statement;
  readonly #count: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.#state = db.prepare(`
      SELECT h.state, e.seq <= l.cursor AS passed FROM outbox_events AS e
      JOIN outbox_lanes AS l ON l.lane = e.lane LEFT JOIN outbox_held AS h ON h.seq = e.seq
      WHERE e.seq = ?`);
    this.#otherHead = db
      .prepare(`SELECT min(seq) ${ofKey} AND seq <> @seq AND state IN ('retrying', 'dead')`)
      .pluck();
    this.#keyFacts = db.prepare(`
      SELECT max(CASE WHEN state = 'retrying' THEN seq END) AS tried,
        count(*) FILTER (WHERE state IN ('retrying', 'dead')) AS heads,
        max(state = 'blocked') AS blocked ${ofKey}`);
    this.#isStopped = db
      .prepare('SELECT 1 FROM outbox_stops WHERE lane = @lane AND topic = @topic LIMIT 1')
      .pluck();
    this.#restart = db.prepare(`
      UPDATE outbox_held SET state = 'retrying', attempts = 0, next_attempt_at = ?, send_no = NULL
      WHERE seq = ?`);
    this.#follow = db.prepare(`
      UPDATE outbox_held SET state = 'blocked', attempts = 0, next_attempt_at = NULL, send_no = NULL
      WHERE seq = ?`);
    this.#skip = db.prepare(`
      UPDATE outbox_held SET state = 'skipped', next_attempt_at = NULL, send_no = NULL
      WHERE seq IN (SELECT value FROM json_each(?))`);
    this.#promote = db.prepare(promoteNext);
    this.#ask = db.prepare(`
      UPDATE outbox_held SET next_attempt_at = @nowMs
      WHERE seq = (SELECT min(seq) ${ofKey} AND state = 'blocked') AND NOT EXISTS (${headOfKey})`);
    this.#count = db.prepare(`
      UPDATE outbox_lanes SET held = held + @held, removed = removed - @held,
        held_revision = held_revision + 1 WHERE lane = @lane`);
  }

  run({ verb, filter, limit }: Act, around: Surroundings): ActResult {
    const { named, nowMs } = around;
    const isAlive = (owner: string | null) => owner !== null && around.isAlive(owner);
    this.#refuseUnfit(verb, named);
    const where = whereOf({ ...filter, states: wanted(verb, filter) }, nowMs);
    const matched = Number(
      this.#db
        .prepare(`SELECT count(*) ${where.from} WHERE 1 ${where.sql}`)
        .pluck()
        .get(where.values),
    );
    const rows = this.#db
      .prepare(`
        SELECT h.seq, h.lane, h.topic, h.order_key AS orderKey, h.state, l.owner,
          h.send_no IS NOT NULL AS sending, h.seq > l.cursor AS ahead, l.open
          ${where.from}
        WHERE 1 ${where.sql} ORDER BY h.seq LIMIT @limit`)
      .all({ ...where.values, limit }) as Row[];
    const flying = new Set(
      rows.filter(
        (row) => row.ahead === 1 || (row.sending === 1 && (row.open === 1 || isAlive(row.owner))),
      ),
    );
    if (flying.size > 0 && (named.length > 0 || flying.size === rows.length)) {
      const [first] = flying;
      throw new EventInFlightError(`a send of event ${first?.seq} is under way`);
    }
    const free = rows.filter((row) => !flying.has(row));
    const mayBeOutOfOrder = verb === 'redrive' ? this.#redrive(free, nowMs) : 0;
    if (verb !== 'redrive') this.#remove(verb, free, nowMs);
    return { matched, changed: free.length, inFlight: flying.size, mayBeOutOfOrder };
  }

  #refuseUnfit(verb: ActVerb, named: readonly number[]): void {
    for (const seq of named) {
      const found = this.#state.get(seq) as { state: string | null; passed: 0 | 1 } | undefined;
      if (found === undefined) throw new EventNotFoundError(`there is no event ${seq}`);
      const { state, passed } = found;
      if (state === null) {
        const where = passed === 1 ? 'delivered' : 'pending';
        throw new EventNotHeldError(
          `event ${seq} is ${where}: only held events can be ${done[verb]}`,
        );
      }
      if (verb === 'redrive' && state === 'blocked') throw this.#blocked(seq);
    }
  }

  #blocked(seq: number): OutboxRelayError {
    const key = this.#db
      .prepare('SELECT lane, topic, order_key AS orderKey, seq FROM outbox_held WHERE seq = ?')
      .get(seq) as { orderKey: Buffer | null };
    const head = key.orderKey === null ? null : this.#otherHead.get(key);
    const behind = head === null ? 'a stop of its topic' : `event ${head} of its key`;
    return new KeyBlockedError(`event ${seq} waits behind ${behind}`, { details: { head } });
  }

  /** The first of each key goes at once, the others follow it. */
  #redrive(rows: readonly Row[], nowMs: number): number {
    let mayBeOutOfOrder = 0;
    for (const events of byKey(rows)) {
      const first = events[0] as Row;
      const alone = first.orderKey === null;
      const facts = this.#keyFacts.get(first) as KeyFacts;
      // One that is tried and not among these goes before them.
      const waits = facts.tried !== null && !events.some(({ seq }) => seq === facts.tried);
      for (const [index, { seq }] of events.entries()) {
        if (index === 0 && !waits) this.#restart.run(nowMs, seq);
        else this.#follow.run(seq);
      }
      if (alone) continue;
      const deadIsFirst = this.#nothingWentPast(first, facts);
      mayBeOutOfOrder += events.filter(({ state }) => {
        return state === 'skipped' || (state === 'dead' && !deadIsFirst);
      }).length;
    }
    this.#countLanes(rows, ({ state }) => (state === 'skipped' ? 1 : 0));
    return mayBeOutOfOrder;
  }

  /** Behind a dead event that blocks, everything newer of its key is held: for it, not a stop. */
  #nothingWentPast(row: Row, { heads, blocked }: KeyFacts): boolean {
    return heads === 1 && blocked === 1 && this.#isStopped.get(row) === undefined;
  }

  #remove(verb: 'skip' | 'purge', rows: readonly Row[], nowMs: number): void {
    const seqs = JSON.stringify(rows.map(({ seq }) => seq));
    if (verb === 'skip') this.#skip.run(seqs);
    else this.#purge(seqs);
    // A skipped one was taken out before.
    this.#countLanes(rows, ({ state }) => (state === 'skipped' ? 0 : -1));
    this.#freeKeys(rows, nowMs);
  }

  #purge(seqs: string): void {
    for (const table of ['outbox_held', 'outbox_events', 'outbox_dedupe']) {
      this.#db
        .prepare(`DELETE FROM ${table} WHERE seq IN (SELECT value FROM json_each(?))`)
        .run(seqs);
    }
  }

  /** What is not held any more is removed, and the other way round. */
  #countLanes(rows: readonly Row[], heldBy: (row: Row) => -1 | 0 | 1): void {
    const perLane = new Map<number, number>();
    for (const row of rows) perLane.set(row.lane, (perLane.get(row.lane) ?? 0) + heldBy(row));
    for (const [lane, held] of perLane) this.#count.run({ lane, held });
  }

  /**
   * Keys whose head is gone: the next one is it. Behind another dead one only the lane's owner
   * knows whether dead ones keep their key waiting: a time asks it.
   */
  #freeKeys(rows: readonly Row[], nowMs: number): void {
    const heads = rows.filter(({ orderKey, state }) => {
      return orderKey !== null && (state === 'retrying' || state === 'dead');
    });
    for (const [first] of byKey(heads)) {
      const { lane, topic, orderKey } = first as Row;
      const left = this.#keyFacts.get({ lane, topic, orderKey }) as KeyFacts;
      if (left.blocked !== 1) continue;
      const key = { lane, topic, orderKey, nowMs };
      if (this.#promote.run({ ...key, deadBlocks: 1 }).changes === 1) continue;
      this.#ask.run({ ...key, deadBlocks: 0 });
    }
  }
}

/** Events of one order key together, in their order; one without a key is alone. */
function byKey(rows: readonly Row[]): Iterable<readonly Row[]> {
  const groups = new Map<string | number, Row[]>();
  for (const row of rows) {
    const { lane, topic, orderKey, seq } = row;
    // No topic has a space.
    const name = orderKey === null ? seq : `${lane} ${topic} ${orderKey.toString('base64')}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return groups.values();
}

const done: Readonly<Record<ActVerb, string>> = {
  redrive: 'redriven',
  skip: 'skipped',
  purge: 'purged',
};

function wanted(verb: ActVerb, { states }: EventFilter): EventState[] {
  const fit = statesOf[verb];
  const asked = states ?? fit;
  return asked.filter((state) => fit.includes(state));
}

/** Redrive, skip and purge: what they do to the rows. Runs inside a transaction. */
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

interface Surroundings {
  readonly nowMs: number;
  readonly isAlive: (owner: string) => boolean;
}

interface Row {
  readonly seq: number;
  readonly lane: number;
  readonly topic: string;
  readonly orderKey: Buffer | null;
  readonly state: 'retrying' | 'blocked' | 'dead' | 'skipped';
  readonly sending: 0 | 1;
  readonly owner: string | null;
}

/** States that a verb has something to do with. */
const statesOf: Readonly<Record<ActVerb, readonly EventState[]>> = {
  redrive: ['retrying', 'dead', 'skipped'],
  skip: ['retrying', 'blocked', 'dead'],
  purge: ['retrying', 'blocked', 'dead', 'skipped'],
};

const from = `FROM outbox_held AS h JOIN outbox_events AS e ON e.seq = h.seq
  JOIN outbox_lanes AS l ON l.lane = e.lane`;

export class Acts {
  readonly #db: Database;
  readonly #state: Statement;
  readonly #otherHead: Statement;
  readonly #otherTried: Statement;
  readonly #anyOther: Statement;
  readonly #restart: Statement;
  readonly #follow: Statement;
  readonly #skip: Statement;
  readonly #promote: Statement;
  readonly #count: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.#state = db.prepare(`
      SELECT e.seq, h.state, e.seq <= l.cursor AS passed FROM outbox_events AS e
      JOIN outbox_lanes AS l ON l.lane = e.lane LEFT JOIN outbox_held AS h ON h.seq = e.seq
      WHERE e.seq = ? OR e.id = ?`);
    const ofKey = `FROM outbox_held
      WHERE topic = @topic AND order_key = @orderKey AND lane = @lane AND seq <> @seq`;
    this.#otherHead = db
      .prepare(`SELECT min(seq) ${ofKey} AND state IN ('retrying', 'dead')`)
      .pluck();
    this.#otherTried = db.prepare(`SELECT 1 ${ofKey} AND state = 'retrying' LIMIT 1`);
    this.#anyOther = db.prepare(`SELECT 1 ${ofKey} AND state <> 'skipped' LIMIT 1`);
    this.#restart = db.prepare(`
      UPDATE outbox_held SET state = 'retrying', attempts = 0, next_attempt_at = ?, send_no = NULL
      WHERE seq = ?`);
    this.#follow = db.prepare(`
      UPDATE outbox_held SET state = 'blocked', attempts = 0, next_attempt_at = NULL, send_no = NULL
      WHERE seq = ?`);
    this.#skip = db.prepare(`
      UPDATE outbox_held SET state = 'skipped', next_attempt_at = NULL, send_no = NULL
      WHERE seq IN (SELECT value FROM json_each(?))`);
    this.#promote = db.prepare(`
      UPDATE outbox_held SET state = 'retrying', attempts = 0, next_attempt_at = @nowMs
      WHERE seq = (
        SELECT min(seq) FROM outbox_held
        WHERE topic = @topic AND order_key = @orderKey AND lane = @lane AND state = 'blocked')`);
    this.#count = db.prepare(`
      UPDATE outbox_lanes SET held = held + @held, removed = removed + @removed,
        held_revision = held_revision + 1 WHERE lane = @lane`);
  }

  run(act: Act, around: Surroundings): ActResult {
    const { verb, filter } = act;
    this.#refuseUnfit(act);
    const { sql, values } = whereOf({ ...filter, states: wanted(verb, filter) }, around.nowMs);
    const matched = Number(
      this.#db.prepare(`SELECT count(*) ${from} WHERE 1 ${sql}`).pluck().get(values),
    );
    const rows = this.#db
      .prepare(`
        SELECT h.seq, h.lane, h.topic, h.order_key AS orderKey, h.state, l.owner,
          h.send_no IS NOT NULL AS sending ${from}
        WHERE 1 ${sql} ORDER BY h.seq LIMIT @limit`)
      .all({ ...values, limit: act.limit }) as Row[];
    const flying = rows.filter(
      ({ sending, owner }) => sending === 1 && owner !== null && around.isAlive(owner),
    );
    const named = filter.seqs !== undefined || filter.ids !== undefined;
    if (flying.length > 0 && (named || flying.length === rows.length)) {
      throw new EventInFlightError(`a send of event ${flying[0]?.seq} is under way`);
    }
    const free = rows.filter((row) => !flying.includes(row));
    const mayBeOutOfOrder = verb === 'redrive' ? this.#redrive(free, around.nowMs) : 0;
    if (verb !== 'redrive') this.#remove(verb, free, around.nowMs);
    return { matched, changed: free.length, inFlight: flying.length, mayBeOutOfOrder };
  }

  /** Events that are named must be there, and be such that the verb can do something. */
  #refuseUnfit({ verb, filter }: Act): void {
    const named = [...(filter.seqs ?? []), ...(filter.ids ?? [])];
    for (const name of named) {
      const found = this.#state.get(name, name) as
        | { seq: number; state: string | null; passed: 0 | 1 }
        | undefined;
      if (found === undefined) throw new EventNotFoundError(`there is no event ${name}`);
      const { seq, state, passed } = found;
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
    for (const row of rows) {
      const { seq, orderKey, state } = row;
      const alone = orderKey === null;
      // Of a dead event that blocks, everything newer of its key is held.
      const newerMayHaveGone = state === 'skipped' || (state === 'dead' && !alone);
      if (newerMayHaveGone && (state === 'skipped' || this.#anyOther.get(row) === undefined)) {
        mayBeOutOfOrder += 1;
      }
      const other = alone ? undefined : this.#otherTried.get(row);
      if (other === undefined) this.#restart.run(nowMs, seq);
      else this.#follow.run(seq);
      const back = state === 'skipped' ? 1 : 0;
      this.#count.run({ lane: row.lane, held: back, removed: -back });
    }
    return mayBeOutOfOrder;
  }

  #remove(verb: 'skip' | 'purge', rows: readonly Row[], nowMs: number): void {
    const seqs = JSON.stringify(rows.map(({ seq }) => seq));
    if (verb === 'skip') this.#skip.run(seqs);
    else this.#purge(seqs);
    const perLane = new Map<number, { held: number; removed: number }>();
    for (const { lane, state } of rows) {
      const counts = perLane.get(lane) ?? { held: 0, removed: 0 };
      // A skipped one was taken out before.
      if (state !== 'skipped') {
        counts.held -= 1;
        counts.removed += 1;
      }
      perLane.set(lane, counts);
    }
    for (const [lane, counts] of perLane) this.#count.run({ lane, ...counts });
    this.#freeKeys(rows, nowMs);
  }

  #purge(seqs: string): void {
    for (const table of ['outbox_held', 'outbox_events', 'outbox_dedupe']) {
      this.#db
        .prepare(`DELETE FROM ${table} WHERE seq IN (SELECT value FROM json_each(?))`)
        .run(seqs);
    }
  }

  /** Keys whose head is gone: the next one is it. */
  #freeKeys(rows: readonly Row[], nowMs: number): void {
    for (const row of rows) {
      const { orderKey, state, lane, topic } = row;
      if (orderKey === null || (state !== 'retrying' && state !== 'dead')) continue;
      if (this.#otherTried.get(row) !== undefined) continue;
      // Behind another dead one it waits, unless dead ones are passed: then it waited for this.
      if (state === 'dead' && this.#otherHead.get(row) !== null) continue;
      this.#promote.run({ lane, topic, orderKey, nowMs });
    }
  }
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

/**
 * What operators see and do, on a connection of its own. Every act is one IMMEDIATE transaction
 * with its audit row in it: a kill -9 anywhere leaves both or neither.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { EventNotFoundError } from '../../core/errors.ts';
import type {
  Act,
  ActResult,
  AuditRow,
  DeadGroup,
  EventFacts,
  EventFilter,
  LedgerRow,
  OperatorStore,
  Page,
  PauseAct,
  ResetAct,
  SeqRange,
  WholeEvent,
} from '../operator.ts';
import { Acts } from './acts.ts';
import type { Database, Statement } from './database.ts';
import { stateSql, whereOf } from './event-filter.ts';
import { seqsOfIds } from './event-ids.ts';
import { isFull, toOutboxError } from './failures.ts';
import { setPause } from './pauses.ts';
import type { Presence } from './presence.ts';
import type { Reserve } from './reserve.ts';

export interface SqliteOperatorParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly presence: Presence;
  readonly reserve: Reserve;
  /** Called between an act and its audit row, for fault tests. */
  readonly onActed: () => void;
}

const facts = `e.seq, e.id, e.topic, e.key, e.partition, e.lane, ${stateSql} AS state,
  e.created_at AS createdAtMs, length(e.value) AS valueBytes, h.attempts,
  h.next_attempt_at AS nextAttemptAtMs, h.code, h.message,
  h.first_failed_at AS firstFailedAtMs, h.last_failed_at AS lastFailedAtMs`;
const payload = 'e.value, e.headers, e.retries, e.delay_ms AS delayMs';

/** A filter without ids, which the log is not ordered by. */
interface Located {
  readonly filter: EventFilter;
  /** Every seq that was asked for by seq or by id. */
  readonly named: readonly number[];
  /** The first id that no event has. */
  readonly missing: string | undefined;
}

export class SqliteOperator implements OperatorStore {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #parts: SqliteOperatorParts;
  readonly #acts: Acts;
  #between: Statement | null = null;

  constructor(parts: SqliteOperatorParts) {
    this.#db = parts.db;
    this.#clock = parts.clock;
    this.#parts = parts;
    this.#acts = new Acts(parts.db);
  }

  list(filter: EventFilter, page: Page): EventFacts[] {
    return this.#select(facts, filter, page) as EventFacts[];
  }

  readWhole(filter: EventFilter, page: Page): WholeEvent[] {
    return this.#select(`${facts}, ${payload}`, filter, page) as WholeEvent[];
  }

  find(event: { readonly seq: number } | { readonly id: string }): WholeEvent | null {
    const filter = 'seq' in event ? { seqs: [event.seq] } : { ids: [event.id] };
    return this.readWhole(filter, { limit: 1, after: 0 })[0] ?? null;
  }

  #select(columns: string, filter: EventFilter, { limit, after }: Page): unknown[] {
    return this.#do('reading events', () => {
      const { from, seq, sql, values } = whereOf(this.#locate(filter).filter, this.#clock.now());
      const text = `SELECT ${columns} ${from} WHERE ${seq} > @after ${sql}
        ORDER BY ${seq} LIMIT @limit`;
      return this.#db.prepare(text).all({ ...values, limit, after });
    });
  }

  #locate(filter: EventFilter): Located {
    const { ids, ...rest } = filter;
    const { seqs = [] } = rest;
    if (ids === undefined) return { filter, named: seqs, missing: undefined };
    const found = seqsOfIds(this.#db, ids);
    const ofIds = new Set(found.values());
    const both = rest.seqs === undefined ? [...ofIds] : seqs.filter((seq) => ofIds.has(seq));
    const missing = ids.find((id) => !found.has(id.toLowerCase()));
    return { filter: { ...rest, seqs: both }, named: [...seqs, ...ofIds], missing };
  }

  deadGroups(filter: EventFilter): DeadGroup[] {
    return this.#do('reading dead events', () => {
      const dead = { ...this.#locate(filter).filter, states: ['dead'] } as const;
      const { from, sql, values } = whereOf(dead, this.#clock.now());
      const text = `
        SELECT g.*, h.message FROM (
          SELECT h.topic, h.code, count(*) AS events, min(h.seq) AS firstSeq,
            min(h.first_failed_at) AS firstFailedAtMs, max(h.last_failed_at) AS lastFailedAtMs
          ${from} WHERE 1 ${sql} GROUP BY h.topic, h.code
        ) AS g JOIN outbox_held AS h ON h.seq = g.firstSeq
        ORDER BY g.events DESC, g.topic, g.code`;
      return this.#db.prepare(text).all(values) as DeadGroup[];
    });
  }

  audit({ limit, after }: Page): AuditRow[] {
    const text = `SELECT id, at AS atMs, actor, verb, reason, detail FROM outbox_audit
      WHERE id > ? ORDER BY id LIMIT ?`;
    const rows = this.#do('reading the audit', () => this.#db.prepare(text).all(after, limit));
    return (rows as (Omit<AuditRow, 'detail'> & { detail: string })[]).map((row) => {
      return { ...row, detail: JSON.parse(row.detail) as AuditRow['detail'] };
    });
  }

  ledger(topic: string | null): LedgerRow[] {
    const text = `
      SELECT lane, topic, partition, first_seq AS firstSeq, last_seq AS lastSeq, events,
        first_offset AS firstOffset, last_offset AS lastOffset
      FROM outbox_ledger WHERE topic = ifnull(?, topic) ORDER BY id`;
    return this.#do('reading the ledger', () => this.#db.prepare(text).all(topic) as LedgerRow[]);
  }

  deliveredBetween(range: SeqRange): Pick<EventFacts, 'id' | 'seq' | 'key'>[] {
    this.#between ??= this.#db.prepare(`
      SELECT e.id, e.seq, coalesce(e.key, CAST(CAST(e.partition AS TEXT) AS BLOB)) AS key
      FROM outbox_events AS e LEFT JOIN outbox_held AS h ON h.seq = e.seq
      WHERE e.lane = @lane AND e.seq BETWEEN @firstSeq AND @lastSeq AND e.topic = @topic
        AND h.seq IS NULL`);
    const statement = this.#between;
    return this.#do('reading events', () => statement.all(range)) as EventFacts[];
  }

  act(act: Act): ActResult {
    const { clock, presence } = this.#parts;
    const isAlive = (owner: string) => presence.isAlive(owner);
    // Before the transaction: it may read the log from one end to the other.
    const { filter, named, missing } = this.#do(act.verb, () => this.#locate(act.filter));
    if (missing !== undefined) throw new EventNotFoundError(`there is no event ${missing}`);
    return this.#write(act, () => {
      return this.#acts.run({ ...act, filter }, { nowMs: clock.now(), isAlive, named });
    });
  }

  pause(act: PauseAct): number {
    const result = this.#write(act, () => {
      return { changed: setPause(this.#db, act, this.#clock.now()) };
    });
    return result.changed;
  }

  resetWatermarks(act: ResetAct): number {
    const result = this.#write(act, () => {
      // What was set aside for transactions that nobody asks about any more is sent again: by an
      // owner that begins anew. One in the midst would settle without it.
      const ahead = `FROM outbox_held WHERE seq > (
        SELECT cursor FROM outbox_lanes AS l WHERE l.lane = outbox_held.lane)`;
      const { changes } = this.#db
        .prepare(`
          UPDATE outbox_lanes SET open = 0, owner = NULL, fence = fence + 1,
            held_revision = held_revision + 1,
            held = held - (SELECT count(*) ${ahead} AND outbox_held.lane = outbox_lanes.lane)`)
        .run();
      this.#db.prepare(`DELETE ${ahead}`).run();
      this.#db.prepare('UPDATE outbox_meta SET incarnation = ?').run(randomUUID());
      return { changed: changes };
    });
    return result.changed;
  }

  /** Nothing changed, nothing to tell: only what was done is audited. */
  #write<T extends { readonly changed: number }>(act: Act | PauseAct | ResetAct, work: () => T): T {
    const transaction = this.#db.transaction(() => {
      const result = work();
      if (result.changed > 0) {
        this.#parts.onActed();
        this.#audit(act, result);
      }
      if (act.dryRun) throw new DryRun(result);
      return result;
    });
    return this.#do(act.verb, () => {
      try {
        return this.#withRoom(() => transaction.immediate());
      } catch (error) {
        if (error instanceof DryRun) return error.result as T;
        throw error;
      }
    });
  }

  /** On a full disk an operator may be the one who makes room: with what is kept for that. */
  #withRoom<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isFull(error) || !this.#parts.reserve.release()) throw error;
      return work();
    }
  }

  #audit(act: Act | PauseAct | ResetAct, counts: object): void {
    const { actor, verb, reason } = act;
    const target = 'target' in act ? { target: act.target } : {};
    const what = 'filter' in act ? { filter: readable(act.filter) } : target;
    this.#db
      .prepare('INSERT INTO outbox_audit (at, actor, verb, reason, detail) VALUES (?, ?, ?, ?, ?)')
      .run(this.#clock.now(), actor, verb, reason, JSON.stringify({ ...what, ...counts }));
  }

  close(): void {
    this.#db.close();
  }

  #do<T>(doing: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw toOutboxError(error, doing);
    }
  }
}

/** Rolls back; never leaves this file. */
class DryRun extends Error {
  readonly result: unknown;

  constructor(result: unknown) {
    super();
    this.result = result;
  }
}

/** A key that is no text is told in base64. */
function readable({ key, ...filter }: EventFilter): object {
  if (key === undefined || typeof key === 'string') return { ...filter, key };
  return { ...filter, keyBase64: Buffer.from(key).toString('base64') };
}

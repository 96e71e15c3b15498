/**
 * What operators see and do, on a connection of its own. Every act is one IMMEDIATE transaction
 * with its audit row in it: a kill -9 anywhere leaves both or neither.
 */
import type { Clock } from '../../core/clock.ts';
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
  SeqRange,
  WholeEvent,
} from '../operator.ts';
import { Acts } from './acts.ts';
import type { Database, Statement } from './database.ts';
import { isOfHeld, stateSql, whereOf } from './event-filter.ts';
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
const fromEvents = `FROM outbox_events AS e JOIN outbox_lanes AS l ON l.lane = e.lane
  LEFT JOIN outbox_held AS h ON h.seq = e.seq`;
const fromHeld = `FROM outbox_held AS h JOIN outbox_events AS e ON e.seq = h.seq
  JOIN outbox_lanes AS l ON l.lane = e.lane`;

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
    return this.#select(`${facts}, e.value, e.headers`, filter, page) as WholeEvent[];
  }

  find(event: { readonly seq: number } | { readonly id: string }): WholeEvent | null {
    const filter = 'seq' in event ? { seqs: [event.seq] } : { ids: [event.id] };
    return this.readWhole(filter, { limit: 1, after: 0 })[0] ?? null;
  }

  #select(columns: string, filter: EventFilter, { limit, after }: Page): unknown[] {
    const { sql, values } = whereOf(filter, this.#clock.now());
    const from = isOfHeld(filter) ? fromHeld : fromEvents;
    const text = `SELECT ${columns} ${from} WHERE e.seq > @after ${sql}
      ORDER BY e.seq LIMIT @limit`;
    return this.#do('reading events', () =>
      this.#db.prepare(text).all({ ...values, limit, after }),
    );
  }

  deadGroups(): DeadGroup[] {
    const text = `
      SELECT topic, code, count(*) AS events, min(seq) AS firstSeq,
        min(first_failed_at) AS firstFailedAtMs, max(last_failed_at) AS lastFailedAtMs, message
      FROM outbox_held WHERE state = 'dead' GROUP BY topic, code ORDER BY events DESC, topic`;
    return this.#do('reading dead events', () => this.#db.prepare(text).all() as DeadGroup[]);
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
    return this.#write(act, () => this.#acts.run(act, { nowMs: clock.now(), isAlive }));
  }

  pause(act: PauseAct): number {
    const result = this.#write(act, () => {
      return { changed: setPause(this.#db, act, this.#clock.now()) };
    });
    return result.changed;
  }

  /** Nothing changed, nothing to tell: only what was done is audited. */
  #write<T extends { readonly changed: number }>(act: Act | PauseAct, work: () => T): T {
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

  #audit(act: Act | PauseAct, counts: object): void {
    const { actor, verb, reason } = act;
    const what = 'filter' in act ? { filter: readable(act.filter) } : { target: act.target };
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

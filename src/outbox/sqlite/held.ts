/** Held events in SQLite: the reads of a lane, and its owner's writes, one transaction each. */
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import type {
  HeldChange,
  HeldEvent,
  HeldRange,
  HeldRules,
  HeldStore,
  LaneHolds,
  Stop,
  TopicKey,
} from '../held.ts';
import type { BatchBounds, Lease } from '../lease.ts';
import type { Database, Statement } from './database.ts';
import { toOutboxError } from './failures.ts';
import { type HeldRows, headOfKey, wholeTopic } from './held-rows.ts';
import type { LaneTable } from './lanes.ts';
import type { LedgerTable } from './ledger.ts';
import type { Writer } from './writer.ts';

export interface SqliteHeldParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly writer: Writer;
  readonly lanes: LaneTable;
  readonly rows: HeldRows;
  readonly ledger: LedgerTable;
}

type StopRow = Omit<Stop, 'partition' | 'draining'> & { partition: number; draining: 0 | 1 };

export class SqliteHeldStore implements HeldStore {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #writer: Writer;
  readonly #lanes: LaneTable;
  readonly #rows: HeldRows;
  readonly #ledger: LedgerTable;
  readonly #heads: Statement;
  readonly #stops: Statement;
  readonly #pauses: Statement;
  readonly #nextDue: Statement;
  readonly #budget: Statement;
  readonly #hurry: Statement;
  readonly #hurryStops: Statement;
  readonly #unstopped: Statement;
  readonly #blockedKeys: Statement;
  readonly #hasHead: Statement;
  readonly #answer: Statement;
  readonly #freeKeyless: Statement;

  constructor({ db, clock, writer, lanes, rows, ledger }: SqliteHeldParts) {
    this.#db = db;
    this.#clock = clock;
    this.#writer = writer;
    this.#lanes = lanes;
    this.#rows = rows;
    this.#ledger = ledger;
    this.#heads = db.prepare(`
      SELECT topic, order_key AS orderKey FROM outbox_held
      WHERE lane = @lane AND next_attempt_at IS NOT NULL AND state = 'retrying'
        AND order_key IS NOT NULL
      UNION ALL
      SELECT topic, order_key FROM outbox_held
      WHERE @deadBlocks AND lane = @lane AND state = 'dead' AND order_key IS NOT NULL`);
    this.#stops = db.prepare(`
      SELECT topic, partition, code, message, since AS sinceMs, attempts,
        next_attempt_at AS nextAttemptAtMs, draining
      FROM outbox_stops WHERE lane = ? ORDER BY topic, partition`);
    this.#pauses = db.prepare('SELECT topic FROM outbox_pauses').pluck();
    this.#nextDue = db
      .prepare(`
        SELECT min(next_attempt_at) FROM outbox_held
        WHERE lane = ? AND next_attempt_at IS NOT NULL`)
      .pluck();
    this.#budget = db.prepare(
      'SELECT retries, delay_ms AS delayMs FROM outbox_events WHERE seq = ?',
    );
    this.#hurry = db.prepare(`
      UPDATE outbox_held SET next_attempt_at = @nowMs
      WHERE lane = @lane AND next_attempt_at > @nowMs
        AND (attempts = 0 OR last_failed_at > @nowMs)`);
    this.#hurryStops = db.prepare(`
      UPDATE outbox_stops SET next_attempt_at = @nowMs, since = min(since, @nowMs)
      WHERE lane = @lane AND next_attempt_at > @nowMs + ${limits.stopDelayMsMax}`);
    this.#unstopped = db.prepare(unstoppedTopics).pluck();
    this.#blockedKeys = db
      .prepare(`
        SELECT DISTINCT order_key FROM outbox_held AS h
        WHERE lane = @lane AND topic = @topic AND state = 'blocked' AND order_key IS NOT NULL
          AND ${isNotStopped}`)
      .pluck();
    this.#hasHead = db.prepare(headOfKey);
    this.#freeKeyless = db.prepare(`
      UPDATE outbox_held AS h SET state = 'retrying', attempts = 0, next_attempt_at = @nowMs
      WHERE lane = @lane AND topic = @topic AND state = 'blocked' AND order_key IS NULL
        AND ${isNotStopped}`);
    this.#answer = db.prepare(`
      UPDATE outbox_held SET next_attempt_at = NULL
      WHERE lane = ? AND next_attempt_at IS NOT NULL AND state = 'blocked'`);
  }

  /** One read transaction: keys, stops and pauses that belong together. */
  read(lane: number, rules: HeldRules): LaneHolds {
    const deadBlocks = Number(rules.deadBlocks);
    return this.#do('reading what is held', () =>
      this.#db.transaction(() => {
        const stops = this.readStops(lane);
        return {
          heads: this.#heads.all({ lane, deadBlocks }) as TopicKey[],
          stops,
          pausedTopics: this.#pauses.all() as string[],
          nextDueAtMs: this.#earliest(lane, stops),
        };
      })(),
    );
  }

  hasHead(lane: number, key: TopicKey, rules: HeldRules): boolean {
    const wanted = { lane, ...key, deadBlocks: Number(rules.deadBlocks) };
    return this.#do('reading what is held', () => this.#hasHead.get(wanted)) !== undefined;
  }

  nextDueAtMs(lane: number): number | null {
    return this.#do('reading what is held', () => this.#earliest(lane, this.readStops(lane)));
  }

  readStops(lane: number): Stop[] {
    return this.#do('reading stops', () => (this.#stops.all(lane) as StopRow[]).map(toStop));
  }

  #earliest(lane: number, stops: readonly Stop[]): number | null {
    const due = [this.#nextDue.get(lane) as number | null, ...stops.map(dueOf)];
    const times = due.filter((atMs) => atMs !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  readBudget(seq: number): { retries: number | null; delayMs: number | null } {
    const row = this.#do('reading an event', () => this.#budget.get(seq));
    return row as { retries: number | null; delayMs: number | null };
  }

  readDue(lane: number, nowMs: number, bounds: BatchBounds): HeldEvent[] {
    return this.#do('reading held events', () => this.#rows.due(lane, nowMs, bounds));
  }

  readBehind(head: HeldEvent, bounds: BatchBounds): HeldEvent[] {
    return this.#do('reading held events', () => this.#rows.behind(head, bounds));
  }

  readStopped(range: HeldRange, bounds: BatchBounds): HeldEvent[] {
    return this.#do('reading held events', () => this.#rows.stopped(range, bounds));
  }

  readUncopied(lane: number, nowMs: number, bounds: BatchBounds): HeldEvent[] {
    return this.#do('reading dead events', () => this.#rows.uncopied(lane, nowMs, bounds));
  }

  saveStop(lease: Lease, stop: Stop): Promise<boolean> {
    return this.#asOwner('recording a stop', lease, () => this.#rows.saveStop(lease.lane, stop));
  }

  mend(lease: Lease, rules: HeldRules): Promise<boolean> {
    return this.#asOwner('freeing held events', lease, () => this.#mend(lease.lane, rules));
  }

  beginSend(lease: Lease, seqs: readonly number[]): Promise<number | 'changed' | 'leaseLost'> {
    return this.#writer.write('marking held events', () => {
      const sendNo = this.#lanes.nextSendNo(lease);
      if (sendNo === null) return 'leaseLost';
      return this.#rows.mark(lease.lane, seqs, sendNo) ? sendNo : 'changed';
    });
  }

  settle(lease: Lease, change: HeldChange): Promise<boolean> {
    const { ledger = [], refusal, deferred, stop, ended, via } = change;
    return this.#asOwner('settling held events', lease, () => {
      const { lane } = lease;
      const gone = this.#rows.deliver(lane, change, this.#clock.now());
      if (gone > 0) this.#lanes.countHeld(lane, { held: -gone, delivered: gone, via });
      this.#ledger.insert(lane, ledger, this.#clock.now());
      if (refusal !== undefined) this.#rows.refuse(lane, refusal);
      if (deferred !== undefined) this.#rows.defer(deferred);
      if (stop !== undefined) this.#rows.saveStop(lane, stop);
      if (ended !== undefined) this.#rows.endStop(lane, ended);
      this.#rows.clearMarks(lane);
    });
  }

  #mend(lane: number, rules: HeldRules): void {
    const nowMs = this.#clock.now();
    this.#rows.clearMarks(lane); // of an owner that is gone
    this.#hurry.run({ lane, nowMs });
    this.#hurryStops.run({ lane, nowMs });
    for (const topic of this.#unstopped.all({ lane }) as string[]) {
      this.#freeKeyless.run({ lane, topic, nowMs });
      for (const orderKey of this.#blockedKeys.all({ lane, topic }) as Buffer[]) {
        this.#rows.free({ lane, topic, orderKey }, rules, nowMs);
      }
    }
    this.#answer.run(lane); // an operator's act has asked whether these may go
  }

  /** Runs when the lease is the current one, in the transaction that has looked. */
  #asOwner(doing: string, lease: Lease, work: () => void): Promise<boolean> {
    return this.#writer.write(doing, () => {
      if (!this.#lanes.holds(lease)) return false;
      work();
      return true;
    });
  }

  #do<T>(doing: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw toOutboxError(error, doing);
    }
  }
}

/** Topics with held events of a lane that no stop keeps whole; a step for each, not each row. */
const unstoppedTopics = `
  WITH RECURSIVE held (topic) AS (
    SELECT min(topic) FROM outbox_held WHERE lane = @lane
    UNION ALL
    SELECT (SELECT min(topic) FROM outbox_held WHERE lane = @lane AND topic > held.topic)
    FROM held WHERE held.topic IS NOT NULL)
  SELECT topic FROM held WHERE topic IS NOT NULL
    AND topic NOT IN (
      SELECT topic FROM outbox_stops WHERE lane = @lane AND partition = ${wholeTopic})`;

/** No stop of its partition keeps it. */
const isNotStopped = `NOT EXISTS (SELECT 1 FROM outbox_stops AS s
  WHERE s.lane = h.lane AND s.topic = h.topic AND s.partition = h.partition)`;

function toStop(row: StopRow): Stop {
  const partition = row.partition === wholeTopic ? null : row.partition;
  return { ...row, partition, draining: row.draining === 1 };
}

const dueOf = ({ draining, nextAttemptAtMs }: Stop) => (draining ? 0 : nextAttemptAtMs);

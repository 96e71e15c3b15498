/** The store seam on a SQLite file, over a connection of its own. */
import type { Clock } from '../../core/clock.ts';
import { invariant, LanesDifferError } from '../../core/errors.ts';
import type { AppendResult, EncodedEvent, LoggedEvent } from '../../core/event.ts';
import type {
  BatchBounds,
  Bounds,
  Heartbeat,
  LaneFailure,
  LaneRecord,
  Lease,
  OutboxIdentity,
  OutboxStore,
  OutboxSummary,
  Settlement,
} from '../store.ts';
import { EventInserter, rowError } from './append.ts';
import type { Database, DatabaseConstructor, Statement } from './database.ts';
import { isFull, toOutboxError } from './failures.ts';
import { SqliteHeldStore } from './held.ts';
import { HeldRows } from './held-rows.ts';
import { HeldSummaryReader } from './held-summary.ts';
import { LaneTable } from './lanes.ts';
import { LedgerTable } from './ledger.ts';
import { LogTable } from './log.ts';
import { oldestCode, refuseTooOld } from './migrate.ts';
import { Presence } from './presence.ts';
import { Pruner } from './pruner.ts';
import { SqliteRecoveryStore } from './recovery.ts';
import { Reserve } from './reserve.ts';
import { Room, walBytesOf } from './room.ts';
import { Writer } from './writer.ts';

export interface SqliteStoreParts {
  readonly db: Database;
  readonly Constructor: DatabaseConstructor;
  readonly path: string;
  readonly identity: OutboxIdentity;
  readonly clock: Clock;
  readonly bounds: Bounds;
}

export class SqliteStore implements OutboxStore {
  readonly identity: OutboxIdentity;
  readonly held: SqliteHeldStore;
  readonly recovery: SqliteRecoveryStore;
  readonly #db: Database;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #reserve: Reserve;
  readonly #writer: Writer;
  readonly #inserter: EventInserter;
  readonly #lanes: LaneTable;
  readonly #heldRows: HeldRows;
  readonly #ledger: LedgerTable;
  readonly #log: LogTable;
  readonly #pruner: Pruner;
  readonly #presence: Presence;
  readonly #changeMark: Statement;
  readonly #readPartitions: Statement;
  readonly #keepPartitions: Statement;
  readonly #readHeartbeat: Statement;
  readonly #writeHeartbeat: Statement;
  readonly #heldSummary: HeldSummaryReader;
  readonly #removed: Statement;
  readonly #oldestDedupe: Statement;

  constructor({ db, Constructor, path, identity, clock, bounds }: SqliteStoreParts) {
    this.identity = identity;
    this.#db = db;
    this.#path = path;
    this.#clock = clock;
    this.#reserve = new Reserve(path);
    this.#writer = new Writer(db, clock, () => this.#reserve.release());
    const room = new Room({ db, path, bounds, clock });
    this.#inserter = new EventInserter(db, identity.lanes, room);
    this.#lanes = new LaneTable(db);
    this.#heldRows = new HeldRows(db);
    this.#ledger = new LedgerTable(db);
    const parts = {
      db,
      clock,
      writer: this.#writer,
      lanes: this.#lanes,
      rows: this.#heldRows,
      ledger: this.#ledger,
    };
    this.held = new SqliteHeldStore(parts);
    this.recovery = new SqliteRecoveryStore(parts);
    this.#log = new LogTable(db);
    this.#pruner = new Pruner(db, this.#log);
    this.#presence = new Presence(Constructor, path);
    this.#changeMark = db.prepare('PRAGMA data_version').pluck();
    this.#readPartitions = db
      .prepare('SELECT partitions FROM outbox_topics WHERE topic = ?')
      .pluck();
    this.#keepPartitions = db.prepare(
      `INSERT INTO outbox_topics (topic, partitions) VALUES (?, ?)
      ON CONFLICT (topic) DO UPDATE SET partitions = excluded.partitions`,
    );
    this.#readHeartbeat = db.prepare(`
      SELECT relay_owner AS owner, relay_phase AS phase, relay_at AS atMs,
        relay_circuit AS circuit, relay_rate AS ratePerSecond
      FROM outbox_meta WHERE relay_owner IS NOT NULL`);
    this.#writeHeartbeat = db.prepare(`
      UPDATE outbox_meta SET relay_owner = @owner, relay_phase = @phase, relay_at = @atMs,
        relay_circuit = @circuit, relay_rate = @ratePerSecond
      WHERE lanes = @lanes`);
    this.#heldSummary = new HeldSummaryReader(db);
    this.#removed = db.prepare('SELECT sum(removed) FROM outbox_lanes').pluck();
    this.#oldestDedupe = db.prepare('SELECT min(expires_at) FROM outbox_dedupe').pluck();
  }

  appendAll(events: readonly EncodedEvent[]): Promise<AppendResult[]> {
    return this.#writer.accept('storing events', () => {
      try {
        this.#inserter.lanesMoved();
        return this.#inserter.insertAll(events);
      } catch (error) {
        throw rowError(error) ?? error;
      }
    });
  }

  appendEach(events: readonly EncodedEvent[]): Promise<(AppendResult | Error)[]> {
    const insertOne = this.#db.transaction((event: EncodedEvent) => this.#inserter.insert(event));
    return this.#writer.accept('storing events', () => {
      this.#inserter.lanesMoved();
      const allowance = this.#inserter.allowance();
      let refusal: Error | null = null;
      return events.map((event) => {
        // From the first that does not fit: what follows of its key is not to overtake it.
        refusal ??= allowance.refusal(event);
        if (refusal !== null) return this.#inserter.known(event) ?? refusal;
        try {
          const result = insertOne(event);
          if (result.status === 'stored') allowance.take(event);
          return result;
        } catch (error) {
          const own = rowError(error);
          if (own === null) throw error;
          return own;
        }
      });
    });
  }

  changeMark(): number {
    return this.#do('reading the change mark', () => this.#changeMark.get() as number);
  }

  lanesWithWork(): number[] {
    return this.#do('reading lanes', () => this.#lanes.withWork(this.#clock.now()));
  }

  nextDueAtMs(): number | null {
    return this.#do('reading lanes', () => this.#lanes.nextDueAtMs());
  }

  readLane(lane: number): LaneRecord {
    const record = this.#do('reading a lane', () => this.#lanes.read(lane));
    invariant(record !== null, `lane ${lane} has a row`);
    return record;
  }

  /** One read transaction, so that counters and lanes belong together. */
  summary(): OutboxSummary {
    return this.#do('reading the summary', () => this.#db.transaction(() => this.#summarise())());
  }

  countHeld(topic: string): number {
    return this.#do('counting held events', () => this.#heldSummary.ofTopic(topic));
  }

  #summarise(): OutboxSummary {
    const lanes = this.#lanes.readAll();
    const accepted = this.#log.accepted();
    const delivered = lanes.reduce((sum, lane) => sum + lane.delivered, 0);
    const held = lanes.reduce((sum, lane) => sum + lane.held, 0);
    const removed = (this.#removed.get() as number | null) ?? 0;
    const oldest = lanes
      .map(({ lane, cursor }) => this.#log.next(lane, cursor)?.createdAtMs ?? null)
      .filter((atMs) => atMs !== null);
    // Writers that choose their own seq leave gaps; without a next event nothing is pending.
    const pending = oldest.length === 0 ? 0 : Math.max(1, accepted - delivered - held - removed);
    const oldestPendingAtMs = oldest.length === 0 ? null : Math.min(...oldest);
    const heartbeat = (this.#readHeartbeat.get() as Heartbeat | undefined) ?? null;
    const counts = { accepted, delivered, held, pending, removed, oldestPendingAtMs };
    const { identity } = this;
    return { identity, ...counts, ...this.#heldSummary.read(), lanes, heartbeat };
  }

  readBatch(lane: number, afterSeq: number, bounds: BatchBounds): LoggedEvent[] {
    return this.#do('reading events', () => this.#log.readBatch(lane, afterSeq, bounds));
  }

  async announceOwner(owner: string): Promise<{ withdraw(): Promise<void> }> {
    this.#reserve.ensure();
    return this.#presence.announce(owner);
  }

  isOwnerAlive(owner: string): boolean {
    return this.#presence.isAlive(owner);
  }

  claimLane(lane: number, owner: string, expectedFence: number): Promise<Lease | null> {
    return this.#writer.write('claiming a lane', () =>
      this.#lanes.claim(lane, owner, expectedFence),
    );
  }

  renewLeases(owner: string): Promise<void> {
    return this.#writer.write('renewing leases', () => this.#lanes.renew(owner));
  }

  holdsLane(lease: Lease): boolean {
    return this.#do('reading a lease', () => this.#lanes.holds(lease));
  }

  releaseLane(lease: Lease): Promise<boolean> {
    return this.#writer.write('releasing a lane', () => this.#lanes.release(lease));
  }

  settle(lease: Lease, settlement: Settlement): Promise<boolean> {
    return this.#writer.write('settling a batch', () => {
      if (!this.#lanes.settle(lease, settlement)) return false;
      const { holds = [], ledger = [] } = settlement;
      this.#ledger.insert(lease.lane, ledger, this.#clock.now());
      if (holds.length > 0) this.#heldRows.insert(lease.lane, holds);
      return true;
    });
  }

  recordFailure(lease: Lease, failure: LaneFailure): Promise<boolean> {
    return this.#writer.write('recording a failure', () => this.#lanes.fail(lease, failure));
  }

  recordRoundUsedUp(lane: number): Promise<void> {
    return this.#writer.write('recording a round', () => this.#lanes.countRound(lane));
  }

  readPartitions(topic: string): number | null {
    const count = this.#do('reading a topic', () => this.#readPartitions.get(topic));
    return (count as number | undefined) ?? null;
  }

  rememberPartitions(topic: string, partitions: number): Promise<void> {
    return this.#writer.write('recording a topic', () => {
      this.#keepPartitions.run(topic, partitions);
    });
  }

  writeHeartbeat(heartbeat: Heartbeat): Promise<void> {
    const { lanes } = this.identity;
    return this.#writer.write('writing the heartbeat', () => {
      // The first one comes after announceOwner(): from then on nobody changes the lanes.
      refuseTooOld(oldestCode(this.#db));
      if (this.#writeHeartbeat.run({ ...heartbeat, lanes }).changes === 1) return;
      throw new LanesDifferError('the number of lanes was changed while the relay was starting');
    });
  }

  async prune(beforeMs: number, rows: number): Promise<number> {
    const nowMs = this.#clock.now();
    const expiresAt = this.#do('reading dedupe keys', () => this.#oldestDedupe.get());
    return this.#writer.write('pruning', () => {
      if (expiresAt !== null && (expiresAt as number) <= nowMs) {
        this.#pruner.forgetDedupe(nowMs, rows);
      }
      this.#ledger.forget(beforeMs, rows);
      return this.#pruner.prune(this.#lanes.readAll(), { beforeMs, nowMs }, rows);
    });
  }

  async shrink(): Promise<boolean> {
    const doing = 'shrinking the file';
    this.#reserve.ensure();
    if (!this.#do(doing, () => this.#pruner.worthShrinking())) return false;
    await this.#writer.write(doing, () => this.#pruner.shrink());
    if (this.#do(doing, () => this.#pruner.worthShrinking())) return true;
    // The file itself ends where it did until a checkpoint, and no later commit may bring one.
    try {
      this.#db.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      // With that room the next round can.
      if (!isFull(error) || !this.#reserve.release()) throw toOutboxError(error, doing);
    }
    return false;
  }

  walBytes(): number {
    return walBytesOf(this.#path);
  }

  close(): void {
    this.#db.close();
  }

  #do<T>(doing: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw toOutboxError(error, doing);
    }
  }
}

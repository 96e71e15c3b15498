/**
 * The store seam in memory, for tests of what stands on it. It passes the contract suite that the
 * SQLite store passes; nothing of it is durable, and nobody else's process can see it.
 */
import type { Clock } from '../core/clock.ts';
import { EventInvalidError, invariant, OutboxClosedError } from '../core/errors.ts';
import {
  type AppendResult,
  type EncodedEvent,
  encodeHeaders,
  type LoggedEvent,
} from '../core/event.ts';
import { laneOf } from '../core/lane.ts';
import type {
  BatchBounds,
  EventAppender,
  Heartbeat,
  LaneFailure,
  LaneRecord,
  Lease,
  OutboxIdentity,
  OutboxStore,
  OutboxSummary,
  Settlement,
} from './store.ts';

type Lane = { -readonly [field in keyof LaneRecord]: LaneRecord[field] };

/** What the file would hold. */
class Contents {
  readonly identity: OutboxIdentity;
  readonly clock: Clock;
  readonly lanes: Lane[];
  readonly dedupe = new Map<string, { seq: number; id: string; expiresAtMs: number }>();
  readonly partitions = new Map<string, number>();
  readonly owners = new Set<string>();
  events: LoggedEvent[] = [];
  heartbeat: Heartbeat | null = null;
  seq = 0;
  commits = 0;

  constructor(identity: OutboxIdentity, clock: Clock) {
    this.identity = identity;
    this.clock = clock;
    this.lanes = Array.from({ length: identity.lanes }, (_, lane) => emptyLane(lane));
  }

  appendAll(events: readonly EncodedEvent[]): AppendResult[] {
    const fault = events.map(faultOf).find((found) => found !== null);
    if (fault !== undefined) throw fault;
    return events.map((event) => this.append(event));
  }

  append(event: EncodedEvent): AppendResult {
    const { dedupe, id } = event;
    const first = dedupe === null ? undefined : this.dedupe.get(dedupe.key);
    if (first !== undefined && first.expiresAtMs > event.createdAtMs) {
      return { status: 'duplicate', seq: first.seq, id: first.id };
    }
    this.seq += 1;
    const { seq } = this;
    const { topic, key, value, partition, createdAtMs } = event;
    const lane = laneOf(event, this.identity.lanes);
    const headers = encodeHeaders(event.headers);
    this.events.push({ seq, lane, id, topic, key, value, headers, partition, createdAtMs });
    if (dedupe !== null) this.dedupe.set(dedupe.key, { seq, id, expiresAtMs: dedupe.expiresAtMs });
    return { status: 'stored', seq, id };
  }

  lane(index: number): Lane {
    const lane = this.lanes[index];
    invariant(lane !== undefined, `lane ${index} has a row`);
    return lane;
  }

  next(lane: Lane): LoggedEvent | undefined {
    return this.events.find((event) => event.lane === lane.lane && event.seq > lane.cursor);
  }
}

function emptyLane(lane: number): Lane {
  const counters = { failures: 0, delivered: 0, deliveredByJob: 0, roundsUsedUp: 0 };
  return { lane, cursor: 0, owner: null, fence: 0, renewals: 0, failure: null, ...counters };
}

/** What the table's own CHECKs refuse. */
function faultOf({ id, topic }: EncodedEvent): Error | null {
  if (id.length === 36 && topic.length >= 1 && topic.length <= 249) return null;
  return new EventInvalidError('the outbox refused the event: its id or topic');
}

class MemoryStore implements OutboxStore {
  readonly #contents: Contents;
  #ownCommits = 0;
  #open = true;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  get identity(): OutboxIdentity {
    return this.#contents.identity;
  }

  async appendAll(events: readonly EncodedEvent[]): Promise<AppendResult[]> {
    return this.#write(() => this.#contents.appendAll(events));
  }

  async appendEach(events: readonly EncodedEvent[]): Promise<(AppendResult | Error)[]> {
    const contents = this.#contents;
    return this.#write(() => events.map((event) => faultOf(event) ?? contents.append(event)));
  }

  changeMark(): number {
    return this.#read().commits - this.#ownCommits;
  }

  lanesWithWork(): number[] {
    const contents = this.#read();
    return contents.lanes.filter((lane) => contents.next(lane)).map(({ lane }) => lane);
  }

  readLane(lane: number): LaneRecord {
    return { ...this.#read().lane(lane) };
  }

  summary(): OutboxSummary {
    const contents = this.#read();
    const { identity, seq: accepted, heartbeat } = contents;
    const lanes = contents.lanes.map((lane) => ({ ...lane }));
    const oldest = contents.lanes.flatMap((lane) => contents.next(lane)?.createdAtMs ?? []);
    const delivered = lanes.reduce((sum, lane) => sum + lane.delivered, 0);
    const pending = oldest.length === 0 ? 0 : Math.max(1, accepted - delivered);
    const oldestPendingAtMs = oldest.length === 0 ? null : Math.min(...oldest);
    const counts = { accepted, delivered, held: 0, pending, oldestPendingAtMs };
    return { identity, ...counts, lanes, heartbeat };
  }

  readBatch(lane: number, afterSeq: number, bounds: BatchBounds): LoggedEvent[] {
    const batch: LoggedEvent[] = [];
    let bytes = 0;
    for (const event of this.#read().events) {
      if (event.lane !== lane || event.seq <= afterSeq) continue;
      const { key, value, headers } = event;
      bytes += (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0);
      if (batch.length === bounds.events || (bytes > bounds.bytes && batch.length > 0)) break;
      batch.push(event);
    }
    return batch;
  }

  async announceOwner(owner: string): Promise<{ withdraw(): Promise<void> }> {
    const { owners } = this.#read();
    owners.add(owner);
    return {
      withdraw: async () => {
        owners.delete(owner);
      },
    };
  }

  isOwnerAlive(owner: string): boolean {
    return this.#read().owners.has(owner);
  }

  async claimLane(lane: number, owner: string, expectedFence: number): Promise<Lease | null> {
    return this.#write(() => {
      const record = this.#contents.lane(lane);
      if (record.fence !== expectedFence) return null;
      record.fence += 1;
      record.owner = owner;
      return { lane, owner, fence: record.fence };
    });
  }

  async renewLeases(owner: string): Promise<void> {
    this.#write(() => {
      for (const lane of this.#contents.lanes) if (lane.owner === owner) lane.renewals += 1;
    });
  }

  holdsLane(lease: Lease): boolean {
    const { owner, fence } = this.#read().lane(lease.lane);
    return owner === lease.owner && fence === lease.fence;
  }

  async releaseLane(lease: Lease): Promise<boolean> {
    return this.#asOwner(lease, (lane) => {
      lane.owner = null;
    });
  }

  async settle(lease: Lease, { cursor, delivered, via }: Settlement): Promise<boolean> {
    if (cursor <= this.#read().lane(lease.lane).cursor) return false;
    return this.#asOwner(lease, (lane) => {
      lane.cursor = cursor;
      lane.delivered += delivered;
      if (via === 'job') lane.deliveredByJob += delivered;
      lane.failures = 0;
      lane.failure = null;
    });
  }

  async recordFailure(lease: Lease, failure: LaneFailure): Promise<boolean> {
    return this.#asOwner(lease, (lane) => {
      lane.failures += 1;
      lane.failure = failure;
    });
  }

  async recordRoundUsedUp(lane: number): Promise<void> {
    this.#write(() => {
      this.#contents.lane(lane).roundsUsedUp += 1;
    });
  }

  readPartitions(topic: string): number | null {
    return this.#read().partitions.get(topic) ?? null;
  }

  async rememberPartitions(topic: string, partitions: number): Promise<void> {
    this.#write(() => this.#contents.partitions.set(topic, partitions));
  }

  async writeHeartbeat(heartbeat: Heartbeat): Promise<void> {
    this.#write(() => {
      this.#contents.heartbeat = heartbeat;
    });
  }

  async prune(beforeMs: number, rows: number): Promise<number> {
    return this.#write(() => {
      const contents = this.#contents;
      const isOld = ({ lane, seq, createdAtMs }: LoggedEvent) =>
        seq <= contents.lane(lane).cursor && createdAtMs < beforeMs;
      const gone = new Set(contents.events.filter(isOld).slice(0, rows));
      contents.events = contents.events.filter((event) => !gone.has(event));
      const nowMs = contents.clock.now();
      for (const [key, { expiresAtMs }] of contents.dedupe) {
        if (expiresAtMs <= nowMs) contents.dedupe.delete(key);
      }
      return gone.size;
    });
  }

  async shrink(): Promise<boolean> {
    return false; // there is no file
  }

  close(): void {
    this.#open = false;
  }

  #read(): Contents {
    if (!this.#open) throw new OutboxClosedError('the outbox is closed');
    return this.#contents;
  }

  #write<T>(work: () => T): T {
    this.#read().commits += 1;
    this.#ownCommits += 1;
    return work();
  }

  #asOwner(lease: Lease, work: (lane: Lane) => void): boolean {
    return this.#write(() => {
      if (!this.holdsLane(lease)) return false;
      work(this.#contents.lane(lease.lane));
      return true;
    });
  }
}

export interface MemoryOutbox {
  readonly appender: EventAppender;
  /** Stores that share their contents, as connections on one file do. */
  openStore(): OutboxStore;
}

export function createMemoryOutbox(identity: OutboxIdentity, clock: Clock): MemoryOutbox {
  const contents = new Contents(identity, clock);
  const append = (events: readonly EncodedEvent[]) => {
    contents.commits += 1;
    return contents.appendAll(events);
  };
  return { appender: { identity, append }, openStore: () => new MemoryStore(contents) };
}

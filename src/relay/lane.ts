/**
 * Drains one lane: claim, then send held events that are due and the next of the log in turn,
 * until there are none or the slice is over; then give the lane back and look once more.
 *
 * A kill -9 between claim and release leaves an owner without a lock, taken over at once. The
 * steps in between are told where they are: log-drain.ts, held-drain.ts.
 */
import { WallClockWatch } from '../core/clock.ts';
import { DrainFailedError } from '../core/errors.ts';
import type { LaneRecord, Lease } from '../outbox/store.ts';
import type { DrainRequest } from '../trigger/trigger.ts';
import { HeldDrain } from './held-drain.ts';
import { HeldSends } from './held-sends.ts';
import { Holds } from './holds.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import { LogDrain } from './log-drain.ts';
import { Stops } from './stops.ts';
import { LaneTransactions } from './transactions.ts';

const lingerMs = 250;

/** What may not pass, as the owner of one fence has read it. */
interface Known {
  readonly fence: number;
  readonly revision: number;
  readonly holds: Holds;
}

interface Situation {
  readonly holds: Holds;
  readonly cursor: number;
}

export class LaneDrainer {
  readonly lane: number;
  readonly #parts: LaneParts;
  readonly #journal: LaneJournal;
  readonly #stops: Stops;
  readonly #log: LogDrain;
  readonly #sends: HeldSends;
  readonly #held: HeldDrain;
  /** `null`: at least once. */
  readonly #transactions: LaneTransactions | null;
  #known: Known | null = null;
  readonly #clock: WallClockWatch;
  #lastDrainMs = 0;

  constructor(lane: number, parts: LaneParts) {
    this.lane = lane;
    this.#parts = parts;
    this.#journal = new LaneJournal(lane, parts);
    this.#clock = new WallClockWatch(parts.clock);
    this.#clock.wentBack(); // from now on
    this.#stops = new Stops(lane, parts);
    const once = parts.delivery === 'exactly-once';
    this.#transactions = once ? new LaneTransactions(lane, parts) : null;
    const shared = { stops: this.#stops, transactions: this.#transactions };
    this.#log = new LogDrain(lane, parts, shared);
    this.#sends = new HeldSends(lane, parts, this.#transactions);
    this.#held = new HeldDrain(parts, this.#stops, this.#sends);
  }

  /**
   * Runs one drain. Resolves when nothing more is to be sent, the lane belongs to somebody else or
   * is paused, or the slice is over (`again: true`).
   * @throws DRAIN_FAILED when nothing more can be sent for now; the lane's failure is stored
   */
  async drain(request: DrainRequest): Promise<{ again: boolean }> {
    const { leases, store, onStep } = this.#parts;
    if (store.readLane(this.lane).paused) return { again: false };
    const lease = await leases.acquire(this.lane);
    if (lease === null) return { again: false };
    this.#transactions?.claimed(lease);
    let again = false;
    try {
      await onStep('claimed', this.lane);
      await this.#passCircuit(lease);
      again = await this.#drainSlice(lease, request);
    } finally {
      await leases.giveBack(lease);
      await onStep('released', this.lane);
    }
    if (request.signal.aborted) return { again: false };
    // An event committed after the last empty read has had its wake-up deduplicated by this run.
    return { again: again || this.#hasMore(store.readLane(this.lane)) };
  }

  #hasMore({ cursor, paused }: LaneRecord): boolean {
    if (paused) return false;
    return this.#parts.store.readBatch(this.lane, cursor, { events: 1, bytes: 1 }).length > 0;
  }

  async #passCircuit(lease: Lease): Promise<void> {
    const failure = await this.#parts.circuit.pass();
    if (failure !== null) await this.#journal.fail(lease, failure, null);
  }

  /** Returns whether the slice ended before there was nothing to do. */
  async #drainSlice(lease: Lease, { signal, via }: DrainRequest): Promise<boolean> {
    const { clock, sliceMs, store } = this.#parts;
    const startedMs = clock.monotonic();
    while (!signal.aborted) {
      this.#lastDrainMs = clock.monotonic();
      if (this.#lastDrainMs - startedMs >= sliceMs) return true;
      if (store.readLane(this.lane).paused) return false;
      const before = await this.#situation(lease, via);
      if (before === null) return false;
      const held = await this.#held.next({ lease, holds: before.holds, via, signal });
      if (held === 'leaseLost') return false;
      // What Kafka has just refused has ended its transaction, and the sender with it.
      const now = held === 'empty' ? before : await this.#situation(lease, via);
      if (now === null) return false;
      const log = await this.#log.next({ lease, ...now, via, signal });
      if (log === 'leaseLost') return false;
      if (log !== 'empty' || held !== 'empty') continue;
      if (!(await this.#linger(now.holds, signal))) return false;
    }
    return false;
  }

  /** Where the lane is and what may not pass, with Kafka's consent. `null`: the lease was lost. */
  async #situation(lease: Lease, via: 'job' | 'sweep'): Promise<Situation | null> {
    if (!(await this.#agree(lease, via))) return null;
    const record = this.#parts.store.readLane(this.lane);
    const holds = await this.#holdsOf(lease, record);
    return holds === null ? null : { holds, cursor: record.cursor };
  }

  /** False: the lease was lost. */
  async #agree(lease: Lease, via: 'job' | 'sweep'): Promise<boolean> {
    if (this.#transactions === null) return this.#leaveTransactions(lease);
    const readiness = await this.#transactions.ready({ lease, via });
    if (readiness !== 'reopened') return readiness === 'ready';
    this.#known = null; // perhaps some of it was taken back
    await this.#parts.onStep('reopened', this.lane);
    return true;
  }

  /** What a relay with transactions has set aside for one that it did not settle is sent again. */
  async #leaveTransactions(lease: Lease): Promise<boolean> {
    const { recovery } = this.#parts.store;
    if (this.#known?.fence === lease.fence || !recovery.isLeft(this.lane)) return true;
    if (!(await recovery.passTo(lease, 0))) {
      this.#journal.leaseLost(lease);
      return false;
    }
    this.#known = null;
    await recovery.end(this.lane, lease.fence);
    return true;
  }

  /**
   * Read once, and again after an operator's act or another owner. `null`: the lease was lost.
   * What another owner has left half done, or waits for what an operator has taken out, is put
   * right first.
   */
  async #holdsOf(lease: Lease, { heldRevision: revision }: LaneRecord): Promise<Holds | null> {
    const { store, refusals } = this.#parts;
    const { fence } = lease;
    const known = this.#known;
    const isOurs =
      known !== null &&
      (known.fence === fence || known.fence === fence - 1) &&
      !this.#clock.wentBack();
    if (isOurs && known.revision === revision) {
      if (known.fence !== fence) this.#known = { ...known, fence };
      return known.holds;
    }
    if (!(await store.held.mend(lease, refusals))) {
      this.#journal.leaseLost(lease);
      return null;
    }
    const holds = new Holds(store.held.read(this.lane, refusals));
    await this.#stops.followPauses({ lease, holds });
    this.#known = { fence, revision, holds };
    return holds;
  }

  /**
   * Waits a moment for more before the lane is given back: under steady traffic a job, a lease and
   * their round trips for every few events would cost more than the events. True when there is.
   */
  async #linger(holds: Holds, signal: AbortSignal): Promise<boolean> {
    const { clock, store, commits } = this.#parts;
    const endMs = clock.monotonic() + lingerMs;
    const record = store.readLane(this.lane);
    while (!this.#hasMore(record)) {
      const dueMs = holds.nextDueAtMs === null ? Infinity : holds.nextDueAtMs - clock.now();
      if (dueMs <= 0) return true;
      const leftMs = endMs - clock.monotonic();
      if (leftMs <= 0 || signal.aborted) return false;
      await commits.next(this.lane, Math.min(leftMs, dueMs), signal);
    }
    return true;
  }

  /** Gives the connections up when nothing was sent for `idleMs`; kafkajs polls while connected. */
  async closeIdleSender(idleMs: number): Promise<void> {
    const { clock } = this.#parts;
    if (clock.monotonic() - this.#lastDrainMs >= idleMs) await this.rest();
  }

  /** Gives the connections up, unless a drain uses them. */
  async rest(): Promise<void> {
    await this.#lookForLost();
    // Also one that has begun meanwhile.
    if (this.#parts.leases.uses(this.lane)) return;
    // All begun at once: a drain may begin while one of them is waited for.
    await Promise.all([this.#log.rest(), this.#sends.rest(), this.#transactions?.rest()]);
  }

  /** Of a lane that has nothing more to send, nobody else would find it out. */
  async #lookForLost(): Promise<void> {
    const { circuit, leases } = this.#parts;
    if (this.#transactions?.mayHaveLost !== true || !(await circuit.ask())) return;
    const lease = await leases.acquire(this.lane);
    if (lease === null) return;
    this.#transactions.claimed(lease);
    try {
      await this.#agree(lease, 'sweep');
    } catch (error) {
      if (!(error instanceof DrainFailedError)) throw error; // it is in the journal
    } finally {
      await leases.giveBack(lease);
    }
  }
}

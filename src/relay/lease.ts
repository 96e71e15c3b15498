/**
 * Who owns a lane.
 *
 * Exclusivity rests here and on the fence in every owner's write, never on BullMQ's lock. An owner
 * that died is told at once by the kernel's lock on its side file; one that is frozen (SIGSTOP, a
 * stalled event loop) still holds that lock, and loses its lanes when its renewal counter stood
 * still for `leaseMs` on the observer's monotonic clock. A kill -9 between claim and release
 * leaves an owner without a lock, which the next relay takes over at once.
 */
import type { Clock } from '../core/clock.ts';
import type { LaneRecord, Lease, OutboxStore } from '../outbox/store.ts';
import type { RelayEmitter } from './events.ts';

interface Observation {
  readonly fence: number;
  readonly renewals: number;
  readonly sinceMs: number;
}

export interface LeaseKeeperParts {
  readonly store: OutboxStore;
  readonly clock: Clock;
  readonly emitter: RelayEmitter;
  readonly owner: string;
  readonly leaseMs: number;
}

export class LeaseKeeper {
  readonly #parts: LeaseKeeperParts;
  /** Lanes in use inside this process: the mutex between a job and the sweep. */
  readonly #inUse = new Set<number>();
  readonly #observed = new Map<number, Observation>();

  constructor(parts: LeaseKeeperParts) {
    this.#parts = parts;
  }

  /** Whether a drain of this process uses the lane right now. */
  uses(lane: number): boolean {
    return this.#inUse.has(lane);
  }

  get anyInUse(): boolean {
    return this.#inUse.size > 0;
  }

  /** Takes the lane, or `null` when somebody has it. Pair with {@link LeaseKeeper.giveBack}. */
  async acquire(lane: number): Promise<Lease | null> {
    if (this.#inUse.has(lane)) return null;
    this.#inUse.add(lane);
    let lease: Lease | null = null;
    try {
      const record = this.#parts.store.readLane(lane);
      if (this.isClaimable(record)) lease = await this.#claim(record);
      return lease;
    } finally {
      if (lease === null) this.#inUse.delete(lane);
    }
  }

  async #claim(record: LaneRecord): Promise<Lease | null> {
    const { store, owner, emitter } = this.#parts;
    const lease = await store.claimLane(record.lane, owner, record.fence);
    if (lease !== null && record.owner !== null && record.owner !== owner) {
      emitter.emit('leaseTaken', { lane: record.lane, from: record.owner });
    }
    return lease;
  }

  /** Releases the lane; a lease that was lost meanwhile is nobody's problem. */
  async giveBack(lease: Lease): Promise<void> {
    try {
      await this.#parts.store.releaseLane(lease);
    } finally {
      this.#inUse.delete(lease.lane);
    }
  }

  /**
   * Whether the lane may be taken: free, ours, its owner gone, or its renewals stood still for the
   * length of a lease. The last one needs repeated calls: each remembers what it saw.
   */
  isClaimable(record: LaneRecord): boolean {
    const { store, owner, clock, leaseMs } = this.#parts;
    if (record.owner === null || record.owner === owner) return true;
    if (!store.isOwnerAlive(record.owner)) return true;
    const seen = this.#observed.get(record.lane);
    const now = clock.monotonic();
    if (seen === undefined || seen.fence !== record.fence || seen.renewals !== record.renewals) {
      const { fence, renewals } = record;
      this.#observed.set(record.lane, { fence, renewals, sinceMs: now });
      return false;
    }
    return now - seen.sinceMs >= leaseMs;
  }
}

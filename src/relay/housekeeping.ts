/**
 * What a relay does on the side: renew leases, tell how it is, prune, rest.
 *
 * Each duty is a plain timer; none of them decides what is sent. Missing a heartbeat or a pruning
 * costs nothing but freshness, so an error is reported and the duty goes on.
 */
import { type Clock, pause } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { OutboxStore, RelayPhase } from '../outbox/store.ts';
import type { Circuit } from './circuit.ts';
import type { RelayEmitter } from './events.ts';
import type { LaneDrainer } from './lane.ts';
import type { LeaseKeeper } from './lease.ts';
import type { Topics } from './topics.ts';

const heartbeatMs = 1_000;
/** The rate is an average over this many heartbeats. */
const rateWindow = 5;
const pruneMs = 1_000;
const pruneYieldMs = 5;
const idleSenderMs = 10_000;
const refreshTopicsMs = 60_000;

export interface HousekeepingParts {
  readonly store: OutboxStore;
  readonly clock: Clock;
  readonly emitter: RelayEmitter;
  readonly leases: LeaseKeeper;
  readonly circuit: Circuit;
  readonly topics: Topics;
  readonly drainers: readonly LaneDrainer[];
  readonly owner: string;
  readonly leaseMs: number;
  /** Delivered events younger than this are kept, milliseconds. */
  readonly retentionMs: number;
  readonly report: (error: unknown) => void;
}

export class Housekeeping {
  readonly #parts: HousekeepingParts;
  readonly #timers = new Map<string, () => void>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;
  #deliveredSinceBeat = 0;
  #samples: { count: number; ms: number }[] = [];
  #lastBeatMs: number;
  #lastRefreshMs: number;
  /** The size of the log of changes that was last told; 0: none. */
  #walToldBytes = 0;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
    this.#lastBeatMs = this.#lastRefreshMs = parts.clock.monotonic();
  }

  start(): void {
    const { leaseMs } = this.#parts;
    this.#every('renew', leaseMs / 4, () => this.#renew());
    this.#every('heartbeat', heartbeatMs, () => this.beat('running'));
    this.#every('prune', pruneMs, () => this.#prune());
    this.#every('rest', idleSenderMs, () => this.#rest());
  }

  /** Stops all duties; what is being done is finished first. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    await Promise.all(this.#running);
  }

  delivered(count: number): void {
    this.#deliveredSinceBeat += count;
  }

  /** Writes the heartbeat that `status` reads. */
  async beat(phase: RelayPhase): Promise<void> {
    const { store, clock, circuit, owner } = this.#parts;
    const now = clock.monotonic();
    this.#samples.push({ count: this.#deliveredSinceBeat, ms: now - this.#lastBeatMs });
    this.#samples = this.#samples.slice(-rateWindow);
    this.#deliveredSinceBeat = 0;
    this.#lastBeatMs = now;
    const count = this.#samples.reduce((sum, sample) => sum + sample.count, 0);
    const ms = this.#samples.reduce((sum, sample) => sum + sample.ms, 0);
    const ratePerSecond = phase === 'running' && ms > 0 ? (count * 1_000) / ms : 0;
    const atMs = clock.now();
    await store.writeHeartbeat({ owner, phase, atMs, circuit: circuit.state, ratePerSecond });
  }

  #every(name: string, intervalMs: number, duty: () => Promise<void>): void {
    if (this.#stopped) return;
    const { clock, report } = this.#parts;
    const run = () => {
      const done: Promise<void> = duty()
        .catch(report)
        .finally(() => {
          this.#running.delete(done);
          this.#every(name, intervalMs, duty);
        });
      this.#running.add(done);
    };
    this.#timers.set(name, clock.after(intervalMs, run));
  }

  async #renew(): Promise<void> {
    const { leases, store, owner } = this.#parts;
    if (leases.anyInUse) await store.renewLeases(owner);
  }

  async #prune(): Promise<void> {
    const { store, clock, retentionMs, emitter } = this.#parts;
    const beforeMs = clock.now() - retentionMs;
    let count = 0;
    for (;;) {
      const pruned = await store.prune(beforeMs, limits.pruneRowsPerCommit);
      count += pruned;
      if (pruned < limits.pruneRowsPerCommit || this.#stopped) break;
      // Others have their turn between two commits: leases, signals, the application.
      await pause(clock, pruneYieldMs);
    }
    if (count > 0) emitter.emit('pruned', { count });
    while (!this.#stopped && (await store.shrink())) await pause(clock, pruneYieldMs);
    this.#watchWal();
  }

  /** At the bound, and again each time it has doubled: nobody else sees it grow. */
  #watchWal(): void {
    const { store, emitter } = this.#parts;
    const bytes = store.walBytes();
    if (bytes < limits.walBytesLarge) this.#walToldBytes = 0;
    if (bytes < Math.max(limits.walBytesLarge, this.#walToldBytes * 2)) return;
    this.#walToldBytes = bytes;
    const size = `${Math.floor(bytes / 1_024 ** 2)} MiB`;
    const message = `the log of changes has ${size}: look for a read transaction that stays open`;
    emitter.emit('warning', { code: 'WAL_LARGE', message, cause: null });
  }

  async #rest(): Promise<void> {
    const { drainers, leases, topics, clock, report } = this.#parts;
    for (const drainer of drainers) {
      if (this.#stopped) return;
      await drainer.closeIdleSender(idleSenderMs).catch(report);
    }
    const now = clock.monotonic();
    if (leases.anyInUse || now - this.#lastRefreshMs < refreshTopicsMs) return;
    this.#lastRefreshMs = now;
    await topics.refresh();
  }
}

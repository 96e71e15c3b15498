/**
 * Turns commits into wake-ups, and makes good for every wake-up that was lost.
 *
 * The poll compares `changeMark`, a read of a few microseconds that shows every commit of every
 * process, wakes the lanes that have work, and tells drains that wait at theirs. The sweep asks the
 * trigger about lanes with work and repairs what it finds: no wake-up (a flushed Redis, a round
 * that is used up) gets a new one; a delayed one that nobody probes for (left by a relay that is
 * gone) is handed to the prober, and let go at once when this relay has not tried the lane yet: a
 * restart is a reason to try; a job that looks active or queued while the lane's lease is free
 * belongs to a process that died, and BullMQ needs many seconds to say so.
 *
 * With Redis up, only the job's processor sends. The sweep drains in-process in two cases alone:
 * Redis has not answered for 5 s, or the lane's job is such a ghost.
 */
import { type Clock, WallClockWatch } from '../core/clock.ts';
import { RedisUnreachableError } from '../core/errors.ts';
import { type RetryPolicy, retryDelayMs } from '../core/retry.ts';
import type { OutboxStore } from '../outbox/store.ts';
import type { Trigger, WakeState } from '../trigger/trigger.ts';
import type { Commits } from './commits.ts';
import type { LeaseKeeper } from './lease.ts';
import type { Prober } from './prober.ts';

const sweepMs = 500;
/** So soon after a commit the next one is looked for every millisecond. */
const busyForMs = 100;
const busyPollMs = 1;
/** Redis away for this long: the sweep drains in-process. */
const unreachableMs = 5_000;
/** A job that waits in the queue for this long with a free lease has no worker. */
const queuedTooLongMs = 5_000;
/** A lane is not woken again within this time unless its drain has begun meanwhile. */
const wokenForMs = sweepMs;

export interface WakerParts {
  readonly store: OutboxStore;
  readonly clock: Clock;
  readonly leases: LeaseKeeper;
  readonly prober: Prober;
  readonly retry: RetryPolicy;
  readonly pollMs: number;
  readonly commits: Commits;
  readonly primary: Trigger;
  /** Drains in this process when the primary cannot; `null` when it must not or is the primary. */
  readonly fallback: Trigger | null;
  readonly report: (error: unknown) => void;
}

/** What the sweep saw of a job that is not running here. */
interface Suspicion {
  readonly state: WakeState;
  readonly sinceMs: number;
}

export class Waker {
  readonly #parts: WakerParts;
  #stopped = false;
  #cancelPoll: () => void = () => {};
  #cancelSweep: () => void = () => {};
  #sweeping: Promise<void> = Promise.resolve();
  #mark: number | null = null;
  #changedAtMs = -Infinity;
  readonly #wokenAtMs = new Map<number, number>();
  /** Lane to the monotonic time before which no new round begins. */
  readonly #notBeforeMs = new Map<number, number>();
  readonly #suspicions = new Map<number, Suspicion>();
  readonly #ghosts = new Set<number>();
  readonly #clock: WallClockWatch;
  /** When a held event is due next, wall time; `null`: none, or it was woken for. */
  #dueAtMs: number | null = null;

  constructor(parts: WakerParts) {
    this.#parts = parts;
    this.#clock = new WallClockWatch(parts.clock);
  }

  start(): void {
    this.#poll();
    this.#sweepSoon(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPoll();
    this.#cancelSweep();
    await this.#sweeping;
  }

  /** Whether a drain that did not come from a job may send. */
  mayDrainInProcess(lane: number): boolean {
    return this.#parts.fallback === null || this.#redisAway() || this.#ghosts.has(lane);
  }

  drainStarted(lane: number, via: 'job' | 'sweep'): void {
    this.#wokenAtMs.delete(lane);
    if (via === 'job') this.#trust(lane);
  }

  drainSucceeded(lane: number): void {
    this.#notBeforeMs.delete(lane);
  }

  /** What a drain has set aside is due at some time: nobody's commit tells of it. */
  drainEnded(): void {
    try {
      this.#dueAtMs = this.#parts.store.nextDueAtMs();
    } catch (error) {
      this.#parts.report(error); // the drain's own end is the news; the sweep looks again
    }
  }

  /** The next round keeps to the policy's delay too. */
  roundUsedUp(lane: number): void {
    const { clock, retry } = this.#parts;
    this.#notBeforeMs.set(lane, clock.monotonic() + retryDelayMs(retry, retry.retries + 1));
  }

  /** Kafka takes records again: these lanes go on at once, whatever delay they are in. */
  async release(lanes: readonly number[]): Promise<void> {
    const { primary, fallback } = this.#parts;
    for (const lane of lanes) this.#notBeforeMs.delete(lane);
    if (fallback !== null) await fallback.promote(lanes);
    try {
      await primary.promote(lanes);
    } catch (error) {
      this.#tolerate(error);
    }
    for (const lane of lanes) this.#wake(lane);
  }

  #poll(): void {
    if (this.#stopped) return;
    const { store, clock, report, pollMs } = this.#parts;
    const now = clock.monotonic();
    try {
      const mark = store.changeMark();
      const changed = mark !== this.#mark;
      if (changed) {
        this.#mark = mark;
        this.#changedAtMs = now;
      }
      const due = this.#dueAtMs !== null && this.#dueAtMs <= clock.now();
      if (changed || due) this.#wakeLanesWithWork();
    } catch (error) {
      report(error);
    }
    const busy = now - this.#changedAtMs < busyForMs;
    const intervalMs = busy ? Math.min(busyPollMs, pollMs) : pollMs;
    this.#cancelPoll = clock.after(intervalMs, () => this.#poll());
  }

  #wakeLanesWithWork(): void {
    const { store, clock, leases, commits } = this.#parts;
    const now = clock.monotonic();
    const lanes = store.lanesWithWork();
    this.#dueAtMs = null; // until a drain, or the next sweep, has looked again
    commits.announce(lanes);
    for (const lane of lanes) {
      // A drain that runs here looks once more after its release: it cannot miss this commit.
      if (leases.uses(lane) || !this.#isDue(lane, now)) continue;
      if (now - (this.#wokenAtMs.get(lane) ?? -Infinity) < wokenForMs) continue;
      this.#wake(lane);
    }
  }

  #isDue(lane: number, now: number): boolean {
    return (this.#notBeforeMs.get(lane) ?? 0) <= now;
  }

  #wake(lane: number): void {
    const { primary, fallback, clock } = this.#parts;
    this.#wokenAtMs.set(lane, clock.monotonic());
    const inProcess = fallback !== null && this.mayDrainInProcess(lane);
    const trigger = inProcess ? fallback : primary;
    if (!inProcess && primary.unreachableForMs() > 0) return;
    trigger.wake(lane).catch((error: unknown) => this.#tolerate(error));
  }

  /** Losing a wake-up to an absent Redis costs time only: the sweep repairs it. */
  #tolerate(error: unknown): void {
    if (!(error instanceof RedisUnreachableError)) this.#parts.report(error);
  }

  #redisAway(): boolean {
    const { fallback, primary } = this.#parts;
    return fallback !== null && primary.unreachableForMs() >= unreachableMs;
  }

  #sweepSoon(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancelSweep = this.#parts.clock.after(delayMs, () => {
      this.#sweeping = this.#sweep()
        .catch((error: unknown) => this.#tolerate(error))
        .finally(() => this.#sweepSoon(sweepMs));
    });
  }

  async #sweep(): Promise<void> {
    const { store, leases } = this.#parts;
    const lanes = new Set(store.lanesWithWork());
    this.#dueAtMs = store.nextDueAtMs();
    if (this.#clock.wentBack()) for (const lane of lanesWithHeld(store)) lanes.add(lane);
    for (const lane of [...this.#ghosts]) if (!lanes.has(lane)) this.#trust(lane);
    for (const lane of lanes) {
      if (this.#stopped) return;
      if (leases.uses(lane)) continue;
      const record = store.readLane(lane);
      // A living owner drains it, and looks once more after its release.
      if (!leases.isClaimable(record)) this.#suspicions.delete(lane);
      else await this.#repair(lane);
    }
  }

  async #repair(lane: number): Promise<void> {
    const { primary, clock, prober } = this.#parts;
    if (this.#redisAway()) return this.#wake(lane);
    if (primary.unreachableForMs() > 0) return;
    const state = await primary.stateOf(lane);
    switch (state) {
      case 'none':
        this.#trust(lane);
        if (this.#isDue(lane, clock.monotonic())) this.#wake(lane);
        return;
      case 'delayed':
        this.#trust(lane);
        prober.wait(lane);
        return;
      case 'active':
      case 'queued':
        return this.#suspect(lane, state);
    }
  }

  #suspect(lane: number, state: 'active' | 'queued'): void {
    const { clock, leases, fallback } = this.#parts;
    if (fallback === null || leases.uses(lane)) return;
    const now = clock.monotonic();
    const seen = this.#suspicions.get(lane);
    if (seen === undefined || seen.state !== state) {
      this.#suspicions.set(lane, { state, sinceMs: now });
      return;
    }
    if (state === 'queued' && now - seen.sinceMs < queuedTooLongMs) return;
    this.#ghosts.add(lane);
    if (this.#isDue(lane, now)) this.#wake(lane);
  }

  #trust(lane: number): void {
    this.#suspicions.delete(lane);
    this.#ghosts.delete(lane);
  }
}

/** Their waits are looked at by their drains. */
function lanesWithHeld(store: OutboxStore): number[] {
  return store.summary().lanes.flatMap(({ lane, held, paused }) => {
    return held > 0 && !paused ? [lane] : [];
  });
}

/**
 * Stops of one lane: a topic, or a partition of it, that cannot take events for now. Its events are
 * set aside, so that the rest of the lane flows; one of them is sent from time to time, and when
 * Kafka takes it, what was set aside goes first.
 *
 * A kill -9 leaves the stop and its events in the file. A topic has either one stop for all of it
 * or some for partitions, so that each held event waits for exactly one.
 */
import type { Stop } from '../outbox/held.ts';
import type { Lease } from '../outbox/store.ts';
import type { SendFailure } from '../sink/driver.ts';
import type { Holds } from './holds.ts';
import type { LaneParts } from './lane-parts.ts';
import { stopDelayMs } from './refusal.ts';

export interface Place {
  readonly topic: string;
  /** `null`: all partitions. */
  readonly partition: number | null;
}

/** A lease, and what its lane may not pass. */
export interface Owned {
  readonly lease: Lease;
  readonly holds: Holds;
}

export class Stops {
  readonly #lane: number;
  readonly #parts: LaneParts;

  constructor(lane: number, parts: LaneParts) {
    this.#lane = lane;
    this.#parts = parts;
  }

  /** Begins a stop, or goes on with one that ended too early. False: the lease was lost. */
  async begin(owned: Owned, place: Place, failure: SendFailure): Promise<boolean> {
    const { clock, refusals, emitter } = this.#parts;
    const whole = owned.holds.topicStop(place.topic);
    const partition = whole === null ? place.partition : null;
    const before = owned.holds.stops.find(
      (stop) => stop.topic === place.topic && stop.partition === partition,
    );
    const attempts = before === undefined ? 0 : before.attempts + 1;
    const nowMs = clock.now();
    const { kind, code, message } = failure;
    const nextAttemptAtMs = nowMs + stopDelayMs(kind, attempts, refusals.retry);
    const sinceMs = before?.sinceMs ?? nowMs;
    const { topic } = place;
    const facts = { topic, partition, code, message, sinceMs };
    if (!(await this.#save(owned, { ...facts, attempts, nextAttemptAtMs, draining: false }))) {
      return false;
    }
    if (partition === null) await this.#endPartitions(owned, topic);
    if (before === undefined || before.draining) {
      emitter.emit('topicStopped', { lane: this.#lane, topic, partition, code, message });
    }
    return true;
  }

  /** Kafka takes its events again: what it holds is sent next. */
  async drain(owned: Owned, stop: Stop): Promise<boolean> {
    return this.#save(owned, { ...stop, attempts: 0, nextAttemptAtMs: null, draining: true });
  }

  /** Nothing of it is held any more. */
  async end(owned: Owned, { topic, partition }: Stop): Promise<boolean> {
    const { store, emitter } = this.#parts;
    const change = { ended: { topic, partition }, via: 'sweep' } as const;
    if (!(await store.held.settle(owned.lease, change))) return false;
    owned.holds.endStop({ topic, partition });
    emitter.emit('topicResumed', { lane: this.#lane, topic, partition });
    return true;
  }

  /**
   * After an operator's act: a paused topic is not drained, and a stop that waited for a pause
   * alone is over with it.
   */
  async followPauses(owned: Owned): Promise<void> {
    const nowMs = this.#parts.clock.now();
    for (const stop of owned.holds.stops) {
      const paused = owned.holds.isPaused(stop.topic);
      const waits = stop.nextAttemptAtMs === null && !stop.draining;
      if (paused && !waits) {
        await this.#save(owned, { ...stop, nextAttemptAtMs: null, draining: false });
      } else if (!paused && stop.code === pausedCode) {
        if (!stop.draining) await this.drain(owned, stop);
      } else if (!paused && waits) {
        await this.#save(owned, { ...stop, nextAttemptAtMs: nowMs });
      }
    }
  }

  /** A paused topic's first event that is set aside needs something that keeps it. */
  async beginPauses(owned: Owned, topics: Iterable<string>): Promise<boolean> {
    for (const topic of topics) {
      if (!owned.holds.isPaused(topic) || owned.holds.topicStop(topic) !== null) continue;
      const message = 'an operator has paused the topic';
      const facts = { topic, partition: null, code: pausedCode, message };
      const waits = { attempts: 0, nextAttemptAtMs: null, draining: false };
      const stop: Stop = { ...facts, ...waits, sinceMs: this.#parts.clock.now() };
      if (!(await this.#save(owned, stop))) return false;
      await this.#endPartitions(owned, topic);
    }
    return true;
  }

  async #endPartitions(owned: Owned, topic: string): Promise<void> {
    const { store } = this.#parts;
    for (const stop of owned.holds.stops) {
      if (stop.topic !== topic || stop.partition === null) continue;
      const ended = { topic, partition: stop.partition };
      await store.held.settle(owned.lease, { ended, via: 'sweep' });
      owned.holds.endStop(ended);
    }
  }

  async #save({ lease, holds }: Owned, stop: Stop): Promise<boolean> {
    if (!(await this.#parts.store.held.saveStop(lease, stop))) return false;
    holds.setStop(stop);
    holds.nextDueAtMs = this.#parts.store.held.nextDueAtMs(this.#lane);
    return true;
  }
}

const pausedCode = 'PAUSED';

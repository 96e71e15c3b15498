/** What the drain of a lane is made of, and the two things all of its parts do. */
import { type Clock, pause } from '../core/clock.ts';
import { DrainFailedError, OutboxRelayError } from '../core/errors.ts';
import type { BatchBounds, LaneFailure, Lease, OutboxStore } from '../outbox/store.ts';
import type { Driver, SendFailure } from '../sink/driver.ts';
import type { BatchRules } from './batch.ts';
import type { Circuit } from './circuit.ts';
import type { Commits } from './commits.ts';
import type { RelayEmitter } from './events.ts';
import type { Governor } from './governor.ts';
import type { LeaseKeeper } from './lease.ts';
import type { RefusalRules } from './refusal.ts';
import type { Topics } from './topics.ts';

/** `exactly-once`: in transactions, for consumers that read what is committed. */
export type Delivery = 'at-least-once' | 'exactly-once';

/** Named moments of a drain, for fault tests: a hook may kill the process at each. */
export type DrainStep =
  | 'claimed'
  /** The file agrees with Kafka; exactly once only. */
  | 'reopened'
  | 'read'
  | 'checked'
  /** What the batch leaves out is set aside; exactly once only. */
  | 'setAside'
  | 'sent'
  | 'settled'
  | 'heldMarked'
  | 'heldSent'
  | 'heldSettled'
  | 'released';
/** Waited for at every step of every drain. */
export type StepHook = (step: DrainStep, lane: number) => void | Promise<void>;

export interface LaneParts {
  readonly store: OutboxStore;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly emitter: RelayEmitter;
  readonly leases: LeaseKeeper;
  readonly circuit: Circuit;
  readonly topics: Topics;
  readonly commits: Commits;
  readonly rules: BatchRules;
  readonly refusals: RefusalRules;
  readonly governor: Governor;
  readonly bounds: BatchBounds;
  readonly sendTimeoutMs: number;
  /** How long one drain goes on before it lets others run, milliseconds. */
  readonly sliceMs: number;
  readonly delivery: Delivery;
  readonly onStep: StepHook;
}

const settleRetryMs = 200;

/** Writes down what becomes of a lane. */
export class LaneJournal {
  readonly lane: number;
  readonly #parts: LaneParts;

  constructor(lane: number, parts: LaneParts) {
    this.lane = lane;
    this.#parts = parts;
  }

  /**
   * After an ack the batch must not be sent again: a full disk or a busy file is waited out, and
   * the lane sends nothing meanwhile. Anything else ends the drain.
   */
  async persist(write: () => Promise<boolean>): Promise<boolean> {
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (!(error instanceof OutboxRelayError) || !error.retryable) throw error;
        const { code, message } = error;
        this.#parts.emitter.emit('warning', { code, message, cause: error });
        await pause(this.#parts.clock, settleRetryMs);
      }
    }
  }

  /** Ends the drain: the lane waits for what failed. */
  async fail(lease: Lease, failure: SendFailure, seq: number | null): Promise<never> {
    const { emitter, circuit, clock, store } = this.#parts;
    const { kind, code, message, topic, cause } = failure;
    if (kind === 'outage') circuit.open(failure);
    const stored: LaneFailure = { kind, code, message, topic, seq, atMs: clock.now() };
    await store.recordFailure(lease, stored);
    emitter.emit('laneFailed', { lane: this.lane, failure: stored, cause });
    throw new DrainFailedError(`lane ${this.lane}: ${code}: ${message}`, {
      cause,
      details: { kind, code, topic, seq, lane: this.lane },
    });
  }

  leaseLost(lease: Lease): 'leaseLost' {
    this.#parts.emitter.emit('leaseLost', { lane: this.lane, fence: lease.fence });
    return 'leaseLost';
  }
}

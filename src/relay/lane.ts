/**
 * Drains one lane: claim, then read, send, settle until it is empty or the slice is over, then
 * give the lane back and look once more.
 *
 * What a kill -9 leaves between any two steps:
 *   claimed … read … checked : nothing has left; the next owner starts from the same cursor.
 *   sent … before settled    : the batch is in Kafka and the cursor is not moved; the next owner
 *                              sends the same batch again: duplicates, no loss, order kept,
 *                              because no later batch of the lane was sent before this one's ack.
 *   settled … released       : an owner without a lock, taken over at once.
 */
import type { Clock } from '../core/clock.ts';
import { pause } from '../core/clock.ts';
import { DrainFailedError, invariant, OutboxRelayError } from '../core/errors.ts';
import type { LoggedEvent } from '../core/event.ts';
import type { BatchBounds, LaneFailure, Lease, OutboxStore } from '../outbox/store.ts';
import type { Driver, Sender, SendFailure } from '../sink/driver.ts';
import type { DrainRequest } from '../trigger/trigger.ts';
import { type Batch, type BatchRules, buildBatch } from './batch.ts';
import type { Circuit } from './circuit.ts';
import type { Commits } from './commits.ts';
import type { RelayEmitter } from './events.ts';
import type { LeaseKeeper } from './lease.ts';
import type { Topics } from './topics.ts';

/** Named moments of a drain, for fault tests: a hook may kill the process at each. */
export type DrainStep = 'claimed' | 'read' | 'checked' | 'sent' | 'settled' | 'released';
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
  readonly bounds: BatchBounds;
  readonly sendTimeoutMs: number;
  /** How long one drain goes on before it lets others run, milliseconds. */
  readonly sliceMs: number;
  readonly onStep: StepHook;
}

type Progress = 'sent' | 'narrowed' | 'empty' | 'leaseLost';

export class LaneDrainer {
  readonly lane: number;
  readonly #parts: LaneParts;
  #sender: Sender | null = null;
  #lastSendMs = 0;
  /** Events a batch may have now: halves when a record is refused, doubles when one is sent. */
  #eventsMax: number;

  constructor(lane: number, parts: LaneParts) {
    this.lane = lane;
    this.#parts = parts;
    this.#eventsMax = parts.bounds.events;
  }

  /**
   * Runs one drain. Resolves when the lane is empty, belongs to somebody else, or the slice is
   * over (`again: true`).
   * @throws DRAIN_FAILED when nothing more can be sent for now; the lane's failure is stored.
   */
  async drain(request: DrainRequest): Promise<{ again: boolean }> {
    const { leases, store, onStep } = this.#parts;
    const lease = await leases.acquire(this.lane);
    if (lease === null) return { again: false };
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
    return { again: again || this.#hasMore(store.readLane(this.lane).cursor) };
  }

  #hasMore(cursor: number): boolean {
    return this.#parts.store.readBatch(this.lane, cursor, { events: 1, bytes: 1 }).length > 0;
  }

  async #passCircuit(lease: Lease): Promise<void> {
    const failure = await this.#parts.circuit.pass();
    if (failure !== null) await this.#fail(lease, failure, null);
  }

  /** Returns whether the slice ended before the lane was empty. */
  async #drainSlice(lease: Lease, request: DrainRequest): Promise<boolean> {
    const { clock, sliceMs } = this.#parts;
    const startedMs = clock.monotonic();
    while (!request.signal.aborted) {
      if (clock.monotonic() - startedMs >= sliceMs) return true;
      const progress = await this.#sendNext(lease, request);
      if (progress === 'leaseLost') return false;
      if (progress === 'empty' && !(await this.#linger(request.signal))) return false;
    }
    return false;
  }

  /**
   * Waits a moment for more before the lane is given back: under steady traffic a job, a lease and
   * their round trips for every few events would cost more than the events. True when there is.
   */
  async #linger(signal: AbortSignal): Promise<boolean> {
    const { clock, store, commits } = this.#parts;
    const endMs = clock.monotonic() + lingerMs;
    const { cursor } = store.readLane(this.lane);
    while (!this.#hasMore(cursor)) {
      const leftMs = endMs - clock.monotonic();
      if (leftMs <= 0 || signal.aborted) return false;
      await commits.next(this.lane, leftMs, signal);
    }
    return true;
  }

  async #sendNext(lease: Lease, request: DrainRequest): Promise<Progress> {
    const { store, bounds, onStep, emitter } = this.#parts;
    const { cursor } = store.readLane(this.lane);
    const limit = { events: this.#eventsMax, bytes: bounds.bytes };
    const events = store.readBatch(this.lane, cursor, limit);
    const first = events[0];
    if (first === undefined) return 'empty';
    invariant(first.seq > cursor, 'a batch starts above the cursor', { lane: this.lane });
    await onStep('read', this.lane);
    const batch = await this.#prepare(lease, events);
    if (!store.holdsLane(lease)) {
      emitter.emit('leaseLost', { lane: this.lane, fence: lease.fence });
      return 'leaseLost';
    }
    await onStep('checked', this.lane);
    const outcome = await this.#send(batch);
    await onStep('sent', this.lane);
    if (outcome.kind === 'acked') return this.#settle(lease, batch, request.via);
    return this.#afterFailure(lease, batch, outcome);
  }

  /** The sendable prefix of the events, never empty. Throws DRAIN_FAILED when there is none. */
  async #prepare(lease: Lease, events: readonly LoggedEvent[]): Promise<Batch> {
    const { topics, rules } = this.#parts;
    const names = new Set(events.map((event) => event.topic));
    const learnt = await topics.learn(names);
    const head = events[0] as LoggedEvent;
    // What stands before an unknown topic can be sent all the same, and will tell if Kafka is away.
    const stuck = topics.partitionsOf(head.topic) === null;
    if (!(learnt instanceof Map) && stuck) return this.#fail(lease, learnt, null);
    const counts = new Map([...names].map((name) => [name, topics.partitionsOf(name)]));
    const batch = buildBatch(events, (topic) => counts.get(topic) ?? null, rules);
    if (batch.records.length > 0) return batch;
    if (batch.fault !== null) {
      const { code, message, topic, seq } = batch.fault;
      topics.forget(topic); // it may have grown since it was asked about
      const refused = { kind: 'refused-record', code, message, topic, cause: null } as const;
      return this.#fail(lease, refused, seq);
    }
    // Another lane's failed send may have made the topic unknown again since it was learnt.
    const told = learnt instanceof Map ? learnt.get(head.topic) : undefined;
    const failure = told ?? forgotten(head.topic);
    return this.#fail(lease, failure, failure.kind === 'refused-topic' ? head.seq : null);
  }

  #send(batch: Batch) {
    const { driver, sendTimeoutMs, clock } = this.#parts;
    this.#sender ??= driver.createSender(`lane-${this.lane}`);
    this.#lastSendMs = clock.monotonic();
    return this.#sender.send(batch.records, sendTimeoutMs);
  }

  async #settle(lease: Lease, batch: Batch, via: 'job' | 'sweep'): Promise<Progress> {
    const { emitter, bounds, onStep } = this.#parts;
    const count = batch.records.length;
    const settlement = { cursor: batch.lastSeq, delivered: count, via };
    const moved = await this.#persist(() => this.#parts.store.settle(lease, settlement));
    if (!moved) {
      emitter.emit('leaseLost', { lane: this.lane, fence: lease.fence });
      return 'leaseLost';
    }
    await onStep('settled', this.lane);
    this.#eventsMax = Math.min(bounds.events, this.#eventsMax * 2);
    emitter.emit('delivered', { lane: this.lane, count, cursor: batch.lastSeq, via });
    return 'sent';
  }

  /**
   * After an ack the batch must not be sent again: a full disk or a busy file is waited out, and
   * the lane sends nothing meanwhile. Anything else ends the drain.
   */
  async #persist(write: () => Promise<boolean>): Promise<boolean> {
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

  async #afterFailure(lease: Lease, batch: Batch, failure: SendFailure): Promise<Progress> {
    const { circuit, topics } = this.#parts;
    const refused = failure.kind === 'refused-record' || failure.kind === 'refused-topic';
    if (!refused) topics.forget(failure.topic);
    // A bug is perhaps one event's, too: that one is told, and the other lanes are left alone.
    if (refused || failure.kind === 'bug') {
      if (batch.records.length > 1) {
        // Until it is one event: the one at fault, with all before it delivered.
        this.#halve(batch);
        return 'narrowed';
      }
      const topic = failure.topic ?? batch.records[0]?.topic ?? null;
      if (refused) topics.forget(topic);
      return this.#fail(lease, { ...failure, topic }, batch.lastSeq);
    }
    // The other partitions' shares may be written, and would be again at each try: fewer next time,
    // until what stands before the partition that is away is settled.
    if (failure.kind === 'partition-away') this.#halve(batch);
    else circuit.open(failure);
    return this.#fail(lease, failure, null);
  }

  #halve(batch: Batch): void {
    this.#eventsMax = Math.ceil(batch.records.length / 2);
  }

  async #fail(lease: Lease, failure: SendFailure, seq: number | null): Promise<never> {
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

  /** Gives the connection up when nothing was sent for `idleMs`; kafkajs polls while connected. */
  async closeIdleSender(idleMs: number): Promise<void> {
    const { clock, leases } = this.#parts;
    if (this.#sender === null || leases.uses(this.lane)) return;
    if (clock.monotonic() - this.#lastSendMs < idleMs) return;
    const sender = this.#sender;
    this.#sender = null;
    await sender.close();
  }
}

const settleRetryMs = 200;
const lingerMs = 250;

function forgotten(topic: string): SendFailure {
  const message = `what was known about ${topic} is out of date`;
  return { kind: 'partition-away', code: 'TOPIC_FORGOTTEN', message, topic, cause: null };
}

/**
 * The relay: moves events from the outbox to Kafka until it is stopped.
 *
 *     commit ─► waker ─► trigger ─► lane drain ─► driver ─► Kafka
 *                 ▲                    │ fails
 *                 └── prober ◄─────────┘
 *
 * It holds no state that matters: killed at any moment, the next relay goes on from the cursors in
 * the file. Starting takes what it needs; stopping gives back in reverse order.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, within } from '../core/clock.ts';
import {
  DrainFailedError,
  OutboxRelayError,
  RelayStateError,
  StopDeadlineError,
} from '../core/errors.ts';
import type { RetryPolicy } from '../core/retry.ts';
import type { BatchBounds, OutboxStore } from '../outbox/store.ts';
import type { Driver } from '../sink/driver.ts';
import type { DrainHandler, DrainRequest, Trigger, TriggerEvents } from '../trigger/trigger.ts';
import type { Partitioner } from './batch.ts';
import { Circuit } from './circuit.ts';
import { Commits } from './commits.ts';
import type { RelayEmitter } from './events.ts';
import { Governor, type GovernorRates } from './governor.ts';
import { Housekeeping } from './housekeeping.ts';
import { LaneDrainer } from './lane.ts';
import type { Delivery, StepHook } from './lane-parts.ts';
import { LeaseKeeper } from './lease.ts';
import { watchLogins } from './login-watch.ts';
import { Prober } from './prober.ts';
import type { RefusalRules } from './refusal.ts';
import { Topics } from './topics.ts';
import { Waker } from './waker.ts';

const questionTimeoutMaxMs = 5_000;
/** Short: a question that is stuck in a dead connection keeps a recovery from being seen. */
const probeTimeoutMsDefault = 1_500;
const topicMaxAgeMs = 300_000;
/** To close connections and the file after the last drain. */
const closeMs = 1_000;

export interface RelayParts {
  readonly store: OutboxStore;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly emitter: RelayEmitter;
  /** Makes the trigger that sends in normal times; BullMQ, or in-process without Redis. */
  readonly createPrimary: (events: TriggerEvents) => Trigger;
  /** Makes the trigger of the sweep; `null` when the primary is the in-process one. */
  readonly createFallback: ((events: TriggerEvents) => Trigger) | null;
  readonly partitioner: Partitioner;
  readonly retry: RetryPolicy;
  readonly bounds: BatchBounds & { readonly partitionBytes: number };
  /** Text of the `outbox-source` header, or `null` for no headers of ours. */
  readonly source: string | null;
  readonly sendTimeoutMs: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly drainSliceMs: number;
  readonly retentionMs: number;
  readonly deadLetter: Omit<RefusalRules, 'retry'>;
  readonly governor: GovernorRates;
  readonly delivery: Delivery;
  readonly onStep: StepHook;
  /** Whether the driver has to log in to Kafka. */
  readonly logsIn: boolean;
}

export class RelayCore {
  readonly #parts: RelayParts;
  readonly #owner = randomUUID();
  readonly #leases: LeaseKeeper;
  readonly #drainers: readonly LaneDrainer[];
  readonly #primary: Trigger;
  readonly #fallback: Trigger | null;
  readonly #circuit: Circuit;
  readonly #prober: Prober;
  readonly #waker: Waker;
  readonly #housekeeping: Housekeeping;
  #presence: { withdraw(): Promise<void> } | null = null;
  #starting: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    const { store, driver, clock, emitter, retry, leaseMs, pollMs, retentionMs } = parts;
    const owner = this.#owner;
    const report = (error: unknown) => this.#report(error);
    const timeoutMs = Math.min(questionTimeoutMaxMs, parts.sendTimeoutMs);
    // A login asks others, e.g. a token endpoint: cut off early it would never succeed.
    const probeTimeoutMs = parts.logsIn ? timeoutMs : probeTimeoutMsDefault;
    const shared = { store, driver, clock, emitter };
    const circuit = new Circuit({ driver, emitter, probeTimeoutMs: timeoutMs });
    this.#circuit = circuit;
    const topics = new Topics({ ...shared, timeoutMs, maxAgeMs: topicMaxAgeMs });
    watchLogins(emitter, clock);
    this.#leases = new LeaseKeeper({ store, clock, emitter, owner, leaseMs });
    const leases = this.#leases;
    const commits = new Commits(clock);
    this.#drainers = createDrainers(parts, { circuit, topics, leases, commits });
    const events = this.#triggerEvents();
    this.#primary = parts.createPrimary(events);
    this.#fallback = parts.createFallback?.(events) ?? null;
    const release = (lanes: readonly number[]) => this.#waker.release(lanes);
    const pacing = { probeTimeoutMs, retryDelayMs: retry.delayMs };
    this.#prober = new Prober({ store, driver, clock, circuit, ...pacing, release, report });
    const triggers = { primary: this.#primary, fallback: this.#fallback };
    const prober = this.#prober;
    const waking = { retry, pollMs, commits, ...triggers };
    this.#waker = new Waker({ store, clock, leases, prober, ...waking, report });
    const duties = { leases, circuit, topics, drainers: this.#drainers, owner, leaseMs };
    this.#housekeeping = new Housekeeping({ ...shared, ...duties, retentionMs, report });
  }

  /** Resolves when wake-ups are heard. */
  start(): Promise<void> {
    this.#starting = this.#begin();
    return this.#starting;
  }

  /** Whether a broker answers now, within 5 s; the circuit opens or closes by it. */
  askKafka(): Promise<boolean> {
    return this.#circuit.ask();
  }

  async #begin(): Promise<void> {
    const { store, emitter } = this.#parts;
    this.#presence = await store.announceOwner(this.#owner);
    this.#refuseWhenStopping();
    emitter.on('delivered', ({ lane, count }) => {
      this.#prober.delivered(lane);
      this.#housekeeping.delivered(count);
    });
    await this.#housekeeping.beat('running');
    const handler: DrainHandler = (request) => this.#drain(request);
    await this.#fallback?.start(handler);
    await this.#primary.start(handler);
    this.#refuseWhenStopping();
    this.#housekeeping.start();
    this.#waker.start();
    emitter.emit('started');
  }

  #refuseWhenStopping(): void {
    if (this.#stopping) throw new RelayStateError('the relay was stopped while it was starting');
  }

  /**
   * Takes no new work, waits for the running drains at most `deadlineMs`, and closes everything,
   * which takes a second more at most.
   * @throws STOP_DEADLINE after all is closed, when a drain was still running at the deadline
   */
  async stop(deadlineMs: number): Promise<void> {
    const { store, clock, emitter } = this.#parts;
    const endMs = clock.monotonic() + deadlineMs;
    this.#stopping = true;
    // What is half started cannot be stopped. Why it failed is told to whoever started it.
    await this.#beforeEnd(
      endMs,
      this.#starting.catch(() => {}),
    );
    await this.#beforeEnd(endMs, Promise.all([this.#waker.stop(), this.#prober.stop()]));
    const triggers = [this.#primary, this.#fallback].filter((trigger) => trigger !== null);
    const stopped = triggers.map((trigger) => trigger.stop(endMs - clock.monotonic()));
    const clean = (await Promise.all(stopped)).every(Boolean);
    await this.#close(Math.max(endMs, clock.monotonic() + closeMs));
    store.close();
    emitter.emit('stopped', { clean });
    if (!clean) throw new StopDeadlineError(`a drain was still running after ${deadlineMs} ms`);
  }

  /** The last heartbeat is only news: a file that another process keeps locked goes without. */
  async #close(endMs: number): Promise<void> {
    const { driver, clock } = this.#parts;
    await this.#beforeEnd(endMs, this.#housekeeping.stop());
    await this.#beforeEnd(endMs, this.#rest());
    await driver.close(Math.max(1, endMs - clock.monotonic()));
    if (this.#presence === null) return;
    const beat = this.#housekeeping.beat('stopped');
    await this.#beforeEnd(
      endMs,
      beat.catch((error: unknown) => this.#report(error)),
    );
    await this.#presence.withdraw().catch((error: unknown) => this.#report(error));
  }

  /** A clean end says so in the file. */
  async #rest(): Promise<void> {
    const resting = this.#drainers.map((drainer) => drainer.rest());
    for (const { reason } of (await Promise.allSettled(resting)).filter(isRejected)) {
      this.#report(reason);
    }
  }

  /** Resolves with the work, or without it at the end. */
  #beforeEnd(endMs: number, work: Promise<unknown>): Promise<unknown> {
    const { clock } = this.#parts;
    return within(clock, Math.max(1, endMs - clock.monotonic()), work);
  }

  async #drain(request: DrainRequest): Promise<{ again: boolean }> {
    const { lane, via } = request;
    const drainer = this.#drainers[lane];
    // A job of the time when the outbox had more lanes: it was drained before that changed.
    if (drainer === undefined) return { again: false };
    if (via === 'sweep' && !this.#waker.mayDrainInProcess(lane)) return { again: false };
    this.#waker.drainStarted(lane, via);
    try {
      const result = await drainer.drain(request);
      this.#waker.drainSucceeded(lane);
      return result;
    } catch (error) {
      if (!(error instanceof DrainFailedError)) this.#report(error);
      else this.#prober.wait(lane);
      throw error;
    } finally {
      this.#waker.drainEnded();
    }
  }

  #triggerEvents(): TriggerEvents {
    const { store, emitter } = this.#parts;
    return {
      roundUsedUp: (lane, cause) => {
        this.#waker.roundUsedUp(lane);
        emitter.emit('roundUsedUp', { lane, cause });
        store.recordRoundUsedUp(lane).catch((error: unknown) => this.#report(error));
      },
      reachable: (reachable, cause) => emitter.emit('redis', { reachable, cause }),
    };
  }

  /** Surfaces what no caller waits for; the relay goes on. */
  #report(error: unknown): void {
    const code = error instanceof OutboxRelayError ? error.code : 'UNEXPECTED';
    const message = error instanceof Error ? error.message : String(error);
    this.#parts.emitter.emit('warning', { code, message, cause: error });
  }
}

const isRejected = (one: PromiseSettledResult<void>) => one.status === 'rejected';

function createDrainers(
  parts: RelayParts,
  shared: { circuit: Circuit; topics: Topics; leases: LeaseKeeper; commits: Commits },
): LaneDrainer[] {
  const { store, driver, clock, emitter, partitioner, source, delivery, onStep } = parts;
  const { lanes } = store.identity;
  const sourceBytes = source === null ? null : Buffer.from(source);
  const governor = new Governor(parts.governor, clock);
  const { partitionBytes, ...bounds } = governor.limit(parts.bounds);
  const rules = { lanes, partitionBytes, source: sourceBytes, partitioner };
  const refusals = { ...parts.deadLetter, retry: parts.retry };
  const times = { sendTimeoutMs: parts.sendTimeoutMs, sliceMs: parts.drainSliceMs };
  const common = { store, driver, clock, emitter, bounds, rules, refusals, governor };
  const how = { delivery, onStep };
  return Array.from({ length: lanes }, (_, lane) => {
    return new LaneDrainer(lane, { ...common, ...how, ...times, ...shared });
  });
}

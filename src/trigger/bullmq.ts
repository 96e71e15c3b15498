/**
 * The trigger on BullMQ: one job per lane with work, carrying the configured retry count and
 * delay. The one importer of bullmq.
 *
 * - `deduplication` with `keepLastIfActive`: many wake-ups are one, and one during a run leads to
 *   one more run; plain deduplication would lose it (taskforcesh/bullmq#3151).
 * - A deduplication key can outlive its job (#4311). BullMQ itself replaces the key of a job that
 *   does not exist; `stateOf` removes the key of one that has finished.
 * - Commands fail at once while Redis is away: a wake-up is never worth waiting for.
 * - A Redis that answers and takes no writes (its memory is full, it has become a replica, the user
 *   may not) is as good as away: the question is a write, and a command that failed is asked again.
 * - A job that was active when its process died is called stalled only after many seconds; the
 *   relay does not wait for that (see the sweep), so the lock is short and stalling is forgiven.
 */
import { type JobsOptions, Queue, Worker } from 'bullmq';
import type { Clock } from '../core/clock.ts';
import { OutboxRelayError, RedisUnreachableError } from '../core/errors.ts';
import { type RetryPolicy, retryDelayMs, withJitter } from '../core/retry.ts';
import { Reachability } from './reachability.ts';
import { commandConnection, type Redis, workerConnection } from './redis.ts';
import type { DrainHandler, Trigger, TriggerEvents, WakeState } from './trigger.ts';

export interface BullMqParts {
  /** `redis://` or `rediss://`, with user, password and database if there are any. */
  readonly url: string;
  /** Prefix of all keys; braces keep them in one slot of a cluster. */
  readonly prefix: string;
  /** Names the queue: two outboxes on one Redis do not see each other's wake-ups. */
  readonly outboxId: string;
  readonly lanes: number;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  /** A number in [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
  readonly events: TriggerEvents;
  readonly onWarning?: (code: string, message: string, cause: unknown) => void;
}

interface DrainJob {
  readonly lane: number;
}

const commandMs = 1_000;
const lockMs = 10_000;
const stalledMs = 5_000;
const failedJobsKept = 100;
const watchMs = 5_000;
/** The key that proves a write is gone by itself when nobody asks any more. */
const aliveMs = 10_000;

class BullMqTrigger implements Trigger {
  readonly name = 'bullmq';
  readonly #parts: BullMqParts;
  readonly #stopping = new AbortController();
  readonly #control: Redis;
  readonly #workerRedis: Redis;
  readonly #reachability: Reachability;
  readonly #running = new Set<Promise<unknown>>();
  #queue: Queue<DrainJob> | null = null;
  #worker: Worker<DrainJob> | null = null;
  #handler: DrainHandler | null = null;
  #cancelWatch: () => void = () => {};
  #waitedBefore = false;
  /** A command that failed, until it has succeeded. */
  #failing: (() => Promise<unknown>) | null = null;
  #workerTrouble = '';

  constructor(parts: BullMqParts) {
    this.#parts = parts;
    this.#control = commandConnection(parts.url);
    this.#workerRedis = workerConnection(parts.url);
    this.#reachability = new Reachability({
      clock: parts.clock,
      ping: () => this.#askForWrites(),
      changed: (reachable, cause) => this.#reachabilityChanged(reachable, cause),
    });
    this.#control.on('ready', () => this.#reachability.connected());
    this.#control.on('close', () => this.#reachability.lost(null));
    this.#control.on('error', (error) => this.#reachability.lost(error));
    // The same server: what goes wrong there is seen by the control connection.
    this.#workerRedis.on('error', () => {});
  }

  async start(handler: DrainHandler): Promise<void> {
    this.#handler = handler;
    // A refused first connection is retried by the client; reachability tells meanwhile.
    this.#workerRedis.connect().catch(() => {});
    await this.#control.connect().catch(() => {});
    await this.#reachability.start();
    this.#watch();
  }

  async wake(lane: number): Promise<void> {
    await this.#command('wake', (queue) => queue.add('drain', { lane }, this.#jobOptions(lane)));
  }

  #jobOptions(lane: number): JobsOptions {
    const { retry } = this.#parts;
    const jitter = retry.jitter > 0 ? { jitter: retry.jitter } : {};
    const fixed = { type: 'fixed', delay: retry.delayMs, ...jitter };
    return {
      deduplication: { id: dedupeId(lane), keepLastIfActive: true },
      attempts: retry.retries + 1,
      backoff: retry.backoff === 'fixed' ? fixed : { type: 'custom' },
      removeOnComplete: true,
      removeOnFail: { count: failedJobsKept },
    };
  }

  stateOf(lane: number): Promise<WakeState> {
    return this.#command('stateOf', async (queue) => {
      const id = await queue.getDeduplicationJobId(dedupeId(lane));
      if (id === null || id === undefined) return 'none';
      const job = await queue.getJob(id);
      const state = job === undefined ? 'unknown' : await job.getState();
      if (state === 'active') return 'active';
      if (state === 'delayed') return 'delayed';
      if (state === 'waiting' || state === 'prioritized') return 'queued';
      // Finished, or gone: its key would swallow every wake-up.
      await queue.removeDeduplicationKey(dedupeId(lane));
      return 'none';
    });
  }

  async promote(lanes: readonly number[]): Promise<void> {
    await this.#command('promote', async (queue) => {
      const delayed = await queue.getDelayed();
      for (const job of delayed.filter(({ data }) => lanes.includes(data.lane))) {
        await job.promote().catch((error: unknown) => {
          // Its delay ended in this moment, or another relay promoted it: it runs.
          if (this.#control.status !== 'ready') throw error;
        });
      }
    });
  }

  unreachableForMs(): number {
    return this.#reachability.unreachableForMs();
  }

  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping.abort();
    this.#cancelWatch();
    this.#reachability.stop();
    let cancel = () => {};
    const late = new Promise<false>((resolve) => {
      cancel = this.#parts.clock.after(deadlineMs, () => resolve(false));
    });
    const closing = this.#worker?.close(this.unreachableForMs() > 0);
    const running = Promise.allSettled(this.#running);
    const ended = Promise.allSettled([closing, running]).then(() => true);
    const clean = await Promise.race([ended, late]);
    cancel();
    if (!clean) this.#worker?.close(true).catch(() => {}); // ends with its connections, below
    await this.#queue?.close().catch(() => {}); // its connection is ours and ends next
    this.#control.disconnect();
    this.#workerRedis.disconnect();
    return clean;
  }

  async #askForWrites(): Promise<void> {
    const { prefix, outboxId } = this.#parts;
    await this.#control.set(`${prefix}:${queueName(outboxId)}:alive`, '1', 'PX', aliveMs);
    const failing = this.#failing;
    await failing?.();
    if (this.#failing === failing) this.#failing = null;
  }

  #reachabilityChanged(reachable: boolean, cause: unknown): void {
    if (reachable && this.#queue === null && !this.#stopping.signal.aborted) this.#open();
    this.#parts.events.reachable(reachable, cause);
  }

  /** Needs a Redis that answers: BullMQ looks at the server's version first. */
  #open(): void {
    const { outboxId, prefix } = this.#parts;
    const options = { connection: this.#control, prefix, skipVersionCheck: false };
    this.#queue = new Queue<DrainJob>(queueName(outboxId), options);
    this.#queue.on('error', (error) => this.#reachability.lost(error));
    this.#worker = this.#createWorker();
    this.#warnAboutEviction().catch((error: unknown) => this.#reachability.lost(error));
  }

  #createWorker(): Worker<DrainJob> {
    const { outboxId, prefix, lanes, retry, random = Math.random } = this.#parts;
    const worker = new Worker<DrainJob>(queueName(outboxId), (job) => this.#process(job), {
      connection: this.#workerRedis,
      prefix,
      concurrency: lanes,
      lockDuration: lockMs,
      stalledInterval: stalledMs,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      settings: {
        backoffStrategy: (attempt: number) =>
          withJitter(retryDelayMs(retry, attempt), retry.jitter, random),
      },
    });
    worker.on('failed', (job, error) => {
      if (job === undefined || job.attemptsMade < (job.opts.attempts ?? 1)) return;
      this.#parts.events.roundUsedUp(job.data.lane, error);
    });
    worker.on('error', (error) => this.#reportWorker(error));
    return worker;
  }

  /** Connection trouble is seen by the control connection too; the rest is told once. */
  #reportWorker({ message }: Error): void {
    if (this.unreachableForMs() > 0 || message === this.#workerTrouble) return;
    this.#workerTrouble = message;
    this.#parts.onWarning?.('WORKER_ERROR', `BullMQ’s worker: ${message}`, null);
  }

  async #process(job: { readonly data: DrainJob; readonly attemptsMade: number }): Promise<void> {
    const { lane } = job.data;
    const attempts = this.#parts.retry.retries + 1;
    const { signal } = this.#stopping;
    const request = { lane, attempt: job.attemptsMade + 1, attempts, via: 'job', signal } as const;
    const run = (this.#handler as DrainHandler)(request);
    this.#running.add(run);
    try {
      const { again } = await run;
      // While this job is active, BullMQ keeps the wake-up and queues it when the job completes.
      if (again) await this.wake(lane).catch(ignoreUnreachable);
    } finally {
      this.#running.delete(run);
    }
  }

  async #command<T>(name: string, run: (queue: Queue<DrainJob>) => Promise<T>): Promise<T> {
    const queue = this.#queue;
    if (queue === null || this.unreachableForMs() > 0) {
      throw new RedisUnreachableError(`${name}: Redis does not answer`);
    }
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#parts.clock.after(commandMs, () => {
        reject(new RedisUnreachableError(`${name}: no answer within ${commandMs} ms`));
      });
    });
    const command = run(queue);
    command.catch(() => {}); // after the deadline nobody listens; before it the race rejects
    try {
      return await Promise.race([command, late]);
    } catch (error) {
      this.#failing = () => run(queue);
      void this.#reachability.check(); // reports what it finds
      if (error instanceof OutboxRelayError) throw error;
      const message = `${name}: ${error instanceof Error ? error.message : String(error)}`;
      throw new RedisUnreachableError(message, { cause: error });
    } finally {
      cancel();
    }
  }

  /** A worker can stay silent after a reconnect (#3185): jobs wait and none runs here. */
  #watch(): void {
    if (this.#stopping.signal.aborted) return;
    this.#cancelWatch = this.#parts.clock.after(watchMs, () => {
      this.#replaceSilentWorker()
        .catch(ignoreUnreachable)
        .finally(() => this.#watch());
    });
  }

  async #replaceSilentWorker(): Promise<void> {
    if (this.#queue === null || this.unreachableForMs() > 0 || this.#running.size > 0) {
      this.#waitedBefore = false;
      return;
    }
    const waiting = await this.#command('watch', (queue) => queue.getWaitingCount());
    const silent = waiting > 0 && this.#waitedBefore;
    this.#waitedBefore = waiting > 0;
    if (!silent || this.#stopping.signal.aborted) return;
    this.#waitedBefore = false;
    const old = this.#worker;
    this.#worker = this.#createWorker();
    this.#parts.onWarning?.('WORKER_REPLACED', 'the BullMQ worker took no jobs', null);
    await old?.close(true);
  }

  async #warnAboutEviction(): Promise<void> {
    const info = await this.#control.info('memory');
    const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
    if (policy === undefined || policy === 'noeviction') return;
    const message = `Redis has maxmemory-policy ${policy}; BullMQ needs noeviction`;
    this.#parts.onWarning?.('REDIS_EVICTS', message, null);
  }
}

const dedupeId = (lane: number) => `lane-${lane}`;
const queueName = (outboxId: string) => `outbox-${outboxId}`;

/** The sweep adds the wake-up again when Redis is back. */
function ignoreUnreachable(error: unknown): void {
  if (!(error instanceof RedisUnreachableError)) throw error;
}

export function createBullMqTrigger(parts: BullMqParts): Trigger {
  return new BullMqTrigger(parts);
}

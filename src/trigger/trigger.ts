/**
 * The trigger seam: what wakes a lane and tries again when its drain failed.
 *
 * A trigger holds wake-ups and pacing and nothing else: losing all it knows costs time, never an
 * event. It may run a lane late, twice, or from two processes at once; exclusivity is the lease's.
 */

export interface DrainRequest {
  readonly lane: number;
  /** 1 for the first try of a round, at most `attempts`. */
  readonly attempt: number;
  /** Tries in a round: `retries + 1`. */
  readonly attempts: number;
  readonly via: 'job' | 'sweep';
  /** Aborts when the trigger is stopping; the drain ends at its next batch boundary. */
  readonly signal: AbortSignal;
}

/**
 * Drains one lane for a while. Resolves `again: true` when there is more to do: the trigger queues
 * the lane at once. Rejects when nothing could be sent: the trigger tries again after the retry
 * policy's delay, until the round is used up.
 */
export type DrainHandler = (request: DrainRequest) => Promise<{ readonly again: boolean }>;

/**
 * - `none`: nothing would run this lane: no wake-up, or one whose round is used up.
 * - `queued`: runs as soon as there is room.
 * - `delayed`: waits for the retry delay.
 * - `active`: a handler is said to be running, here or elsewhere.
 */
export type WakeState = 'none' | 'queued' | 'delayed' | 'active';

export interface TriggerEvents {
  /** The last attempt of a round failed. The events stay; the sweep starts a new round. */
  readonly roundUsedUp: (lane: number, error: Error) => void;
  /** The trigger's own backing service (Redis) went away or came back. */
  readonly reachable: (reachable: boolean, cause: unknown) => void;
}

export interface Trigger {
  readonly name: string;
  /** Resolves when wake-ups can be taken, or at once when the backing service is away. */
  start(handler: DrainHandler): Promise<void>;
  /**
   * Asks for a drain of this lane. Many wake-ups of a waiting lane are one; a wake-up of a lane
   * that is being drained leads to one more drain afterwards. Rejects with REDIS_UNREACHABLE.
   */
  wake(lane: number): Promise<void>;
  /** Rejects with REDIS_UNREACHABLE. */
  stateOf(lane: number): Promise<WakeState>;
  /** Lets delayed drains of these lanes run now. Rejects with REDIS_UNREACHABLE. */
  promote(lanes: readonly number[]): Promise<void>;
  /** Milliseconds since the backing service stopped answering; 0 while it answers. */
  unreachableForMs(): number;
  /**
   * Takes no new work, aborts the running drains' signals, waits for them at most `deadlineMs`.
   * Legal before start and twice. Returns false when something was still running at the deadline.
   */
  stop(deadlineMs: number): Promise<boolean>;
}

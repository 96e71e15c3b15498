/**
 * Time as an argument. One clock is made at the composition root and handed down, so that tests
 * can move it. Wall time is for what is stored and must compare across restarts; elapsed time is
 * monotonic, so that a clock jump neither parks a lane nor ends a lease.
 */
export interface Clock {
  /** Wall time, milliseconds since the epoch. */
  now(): number;
  /** Milliseconds on a clock that never jumps; only differences mean anything. */
  monotonic(): number;
  /** Runs `callback` once, `delayMs` from now; returns a function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs: number, callback: () => void) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
});

/** Resolves after `delayMs`, or at once when `signal` aborts (it does not reject). */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Result of `work`, or `null` when it took longer; a late rejection is nobody's. */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
): Promise<{ value: T } | null> {
  let cancel = () => {};
  const late = new Promise<null>((resolve) => {
    cancel = clock.after(ms, () => resolve(null));
  });
  work.catch(() => {}); // after the deadline nobody listens; before it the race rejects
  try {
    return await Promise.race([work.then((value) => ({ value })), late]);
  } finally {
    cancel();
  }
}

const jumpMs = 1_000;

/** Sees a wall clock that is set back: times that were stored before lie too far ahead then. */
export class WallClockWatch {
  readonly #clock: Clock;
  #offsetMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Since the last call; the first one says so too, for times that others have stored. */
  wentBack(): boolean {
    const offsetMs = this.#clock.now() - this.#clock.monotonic();
    const back = offsetMs < this.#offsetMs - jumpMs;
    this.#offsetMs = offsetMs;
    return back;
  }
}

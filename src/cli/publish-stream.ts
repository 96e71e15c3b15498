/**
 * Commits as lines come: every 100 lines, or 100 ms after the first that waits. A bad line is told
 * and the rest goes on. Interrupted, what was read is committed and told; a line without its end is
 * not, because nobody knows whether it is whole.
 */
import { OutboxRelayError } from '../core/errors.ts';
import type { OutboxEvent } from '../core/event.ts';
import { streamInput } from './input.ts';
import { type Line, LineSplitter } from './lines.ts';
import { count, type PublishJob } from './publish-job.ts';

const linesMax = 100;
const commitMs = 100;

/** @throws what storing throws; what is counted in the result is durable */
export async function publishStream(job: PublishJob, interrupted: AbortSignal): Promise<void> {
  const input = streamInput(job.input);
  const endInput = () => input.destroy();
  interrupted.addEventListener('abort', endInput, { once: true });
  const splitter = new LineSplitter(job.lineBytesMax);
  const batch = new Batch(job, endInput);
  try {
    for await (const chunk of input) {
      for (const line of splitter.push(chunk as Buffer)) await batch.take(line);
    }
    for (const line of splitter.finish()) await batch.take(line);
  } catch (error) {
    // Destroying the input ends the loop with an error of its own: the reason for it is the news.
    if (!interrupted.aborted && !batch.failed) throw error;
  } finally {
    interrupted.removeEventListener('abort', endInput);
    await batch.commit();
    job.result.skipped = job.bad.count;
    job.result.skippedLines = job.bad.told;
  }
}

class Batch {
  readonly #job: PublishJob;
  readonly #onFailure: () => void;
  #waiting: { readonly number: number; readonly event: OutboxEvent }[] = [];
  #cancelTimer = () => {};
  /** Commits, one after the other. Rejected for good by the first failure. */
  #commits: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(job: PublishJob, onFailure: () => void) {
    this.#job = job;
    this.#onFailure = onFailure;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Resolves when the next line may come. */
  async take(line: Line): Promise<void> {
    const event = this.#job.bad.parse(line, this.#job.rules);
    if (event === null) return;
    this.#waiting.push({ number: line.number, event });
    if (this.#waiting.length >= linesMax) await this.commit();
    else if (this.#waiting.length === 1) this.#commitLater();
  }

  #commitLater(): void {
    const timer = setTimeout(() => {
      // A failure is kept in #commits and thrown by the next commit(), which the end always calls.
      this.commit().catch(() => this.#onFailure());
    }, commitMs);
    this.#cancelTimer = () => clearTimeout(timer);
  }

  /** Resolves when all that was taken is durable. @throws what storing throws */
  commit(): Promise<void> {
    this.#cancelTimer();
    const lines = this.#waiting;
    this.#waiting = [];
    this.#commits = this.#commits.then(() => this.#store(lines));
    return this.#commits;
  }

  async #store(lines: readonly { number: number; event: OutboxEvent }[]): Promise<void> {
    const { outbox, result, bad } = this.#job;
    // One turn of the event loop: these share a commit, each in a savepoint of its own.
    const settled = await Promise.allSettled(lines.map(({ event }) => outbox.publish(event)));
    for (const [index, one] of settled.entries()) {
      if (one.status === 'fulfilled') count(result, one.value);
      else if (isRefusal(one.reason)) bad.refuse(lines[index]?.number ?? 0, one.reason);
      else {
        this.#failed = true;
        throw one.reason;
      }
    }
  }
}

function isRefusal(error: unknown): error is OutboxRelayError {
  return error instanceof OutboxRelayError && error.code === 'EVENT_INVALID';
}

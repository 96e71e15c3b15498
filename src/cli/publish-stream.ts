/** Commits as lines come: every 100 lines or 100 ms. A bad line is told and the rest goes on. */
import { createReadStream } from 'node:fs';
import type { OutboxEvent } from '../core/event.ts';
import { LineSplitter } from './lines.ts';
import { count, type PublishJob } from './publish-job.ts';

const linesMax = 100;
const commitMs = 100;

export async function publishStream(job: PublishJob): Promise<void> {
  const input = job.input === '-' ? process.stdin : createReadStream(job.input);
  const splitter = new LineSplitter(job.lineBytesMax);
  const batch = new Batch(job);
  const take = (lines: Iterable<Parameters<typeof job.bad.parse>[0]>) => {
    for (const line of lines) {
      const event = job.bad.parse(line, job.rules, (one) => job.outbox.validate(one));
      if (event) batch.add(event);
    }
  };
  try {
    for await (const chunk of input) {
      batch.refuseAfterFailure();
      take(splitter.push(chunk as Buffer));
    }
    take(splitter.finish());
    batch.commit();
    batch.refuseAfterFailure();
  } finally {
    batch.close();
    job.result.skipped = job.bad.count;
  }
}

class Batch {
  readonly #job: PublishJob;
  #events: OutboxEvent[] = [];
  #timer: NodeJS.Timeout | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(job: PublishJob) {
    this.#job = job;
  }

  add(event: OutboxEvent): void {
    this.#events.push(event);
    if (this.#events.length >= linesMax) this.commit();
    else this.#timer ??= setTimeout(() => this.#commitLater(), commitMs);
  }

  commit(): void {
    this.close();
    const events = this.#events;
    this.#events = [];
    if (events.length === 0) return;
    for (const result of this.#job.outbox.enqueueMany(events)) count(this.#job.result, result);
  }

  /** An error in a timer has no caller: it is kept for the next line, or the end. */
  #commitLater(): void {
    try {
      this.commit();
    } catch (error) {
      this.#failure = { error };
      process.stdin.destroy();
    }
  }

  refuseAfterFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

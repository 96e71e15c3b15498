/**
 * Shared commits: callers that publish at the same time wait for one fsync.
 *
 * While one commit is under way the next callers gather; their events go into the following
 * commit, each in a SAVEPOINT of its own, so that one bad event rejects alone.
 */
import { invariant, OutboxClosedError } from '../core/errors.ts';
import type { AppendResult, EncodedEvent } from '../core/event.ts';
import { limits } from '../core/limits.ts';
import type { OutboxStore } from '../outbox/store.ts';

interface Waiting {
  readonly event: EncodedEvent;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

export class Publisher {
  readonly #openStore: () => OutboxStore;
  #store: OutboxStore | null = null;
  #waiting: Waiting[] = [];
  #committing: Promise<void> | null = null;
  #closed = false;

  /** @param openStore called at the first publish: who never publishes has no connection */
  constructor(openStore: () => OutboxStore) {
    this.#openStore = openStore;
  }

  publish(event: EncodedEvent): Promise<AppendResult> {
    if (this.#closed) return Promise.reject(new OutboxClosedError('the outbox is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      this.#committing ??= this.#commitAll().finally(() => {
        this.#committing = null;
      });
    });
  }

  async #commitAll(): Promise<void> {
    await null; // callers of this turn of the event loop join the first commit
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, limits.publishGroupMax);
      try {
        this.#store ??= this.#openStore();
        const results = await this.#store.appendEach(group.map(({ event }) => event));
        invariant(results.length === group.length, 'every published event has a result');
        for (const [index, { resolve, reject }] of group.entries()) {
          const result = results[index] as AppendResult | Error;
          if (result instanceof Error) reject(result);
          else resolve(result);
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
  }

  /** Finishes what was published, then closes the connection. Legal twice. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#committing;
    this.#store?.close();
    this.#store = null;
  }
}

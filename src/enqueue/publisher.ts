/**
 * Shared commits: callers that publish at the same time wait for one fsync.
 *
 * A commit takes everybody who came since the last one, oldest first, each event in a SAVEPOINT of
 * its own, so that one bad event rejects alone. Each commit begins in a turn of the event loop of
 * its own: it blocks while SQLite syncs, so callers that publish again at once would otherwise
 * keep timers and sockets waiting for ever. The turn costs microseconds, the sync milliseconds,
 * and in it the requests that arrived meanwhile join.
 *
 * Killed at any point, a caller that was not answered finds its event stored or not; one that was
 * answered finds it stored.
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

  /**
   * Resolves once the event is durable.
   * @throws OUTBOX_CLOSED, OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO, OUTCOME_UNKNOWN, EVENT_INVALID
   */
  publish(event: EncodedEvent): Promise<AppendResult> {
    if (this.#closed) return Promise.reject(new OutboxClosedError('the outbox is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      await nextTurn();
      await this.#commit(this.#waiting.splice(0, groupSize(this.#waiting)));
    }
    // In the same breath as the last look at the queue: who comes later starts a commit again.
    this.#committing = null;
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
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

  /** Finishes what was published, then closes the connection. Legal twice. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#committing;
    this.#store?.close();
    this.#store = null;
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** How many of the oldest go into one commit; at least one. */
function groupSize(waiting: readonly Waiting[]): number {
  let bytes = 0;
  for (const [index, { event }] of waiting.entries()) {
    bytes += (event.key?.length ?? 0) + (event.value?.length ?? 0);
    if (index >= limits.publishGroupMax) return index;
    if (index > 0 && bytes > limits.publishGroupBytesMax) return index;
  }
  return waiting.length;
}

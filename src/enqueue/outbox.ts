/** Writing events: the application's side of the outbox. Knows neither Kafka nor Redis. */
import { OutboxClosedError, TransactionAsyncError } from '../core/errors.ts';
import type { AppendResult, OutboxEvent } from '../core/event.ts';
import type { EventAppender, OutboxIdentity, OutboxStore } from '../outbox/store.ts';
import { type EncodeRules, encodeEvent } from './encode.ts';
import { Publisher } from './publisher.ts';

export interface OutboxParts {
  readonly path: string;
  readonly appender: EventAppender;
  readonly rules: EncodeRules;
  /** Runs a synchronous function in a transaction of the appender's handle. */
  readonly transaction: <T>(fn: () => T) => T;
  /** A connection of our own for shared commits. */
  readonly openStore: () => OutboxStore;
  readonly close: () => void;
}

export class Outbox {
  readonly #parts: OutboxParts;
  readonly #publisher: Publisher;
  #closed = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#publisher = new Publisher(parts.openStore);
  }

  /** Id of the file and its number of lanes. */
  get identity(): OutboxIdentity {
    return this.#parts.appender.identity;
  }

  get path(): string {
    return this.#parts.path;
  }

  /**
   * Writes one event into whatever transaction is open on the handle, durable when that one
   * commits; with none open it commits by itself before it returns.
   * @throws EVENT_INVALID, EVENT_TOO_LARGE, OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO, OUTBOX_CLOSED
   */
  enqueue(event: OutboxEvent): AppendResult {
    return this.enqueueMany([event])[0] as AppendResult;
  }

  /** Writes all events or none; results are in their order. Throws as {@link Outbox.enqueue}. */
  enqueueMany(events: readonly OutboxEvent[]): AppendResult[] {
    this.#refuseWhenClosed();
    const encoded = events.map((event) => encodeEvent(event, this.#parts.rules));
    return encoded.length === 0 ? [] : this.#parts.appender.append(encoded);
  }

  /** Throws what `enqueue` would throw because of the event; writes nothing. */
  validate(event: OutboxEvent): void {
    encodeEvent(event, this.#parts.rules);
  }

  /**
   * Runs `fn` in a transaction of the handle, or in a savepoint of the open one; rolled back when
   * it throws.
   * @throws TRANSACTION_ASYNC when `fn` returns a promise: it would go on after the commit
   */
  transaction<T>(fn: () => T): T {
    this.#refuseWhenClosed();
    return this.#parts.transaction(() => {
      const result = fn();
      if (isThenable(result)) {
        // Nobody else will ever see how it ends.
        result.then(undefined, () => {});
        throw new TransactionAsyncError('transaction() was given an asynchronous function');
      }
      return result;
    });
  }

  /**
   * Writes one event in a commit that concurrent callers share, on a connection of its own: a
   * transaction open on the application's handle is never joined. Resolves when it is durable.
   * Rejects as {@link Outbox.enqueue} throws, and with OUTCOME_UNKNOWN.
   */
  async publish(event: OutboxEvent): Promise<AppendResult> {
    return this.#publisher.publish(encodeEvent(event, this.#parts.rules));
  }

  /** Waits for what is being published; a handle of the application stays open. Legal twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#publisher.close();
    this.#parts.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new OutboxClosedError('the outbox is closed');
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null)?.then === 'function';
}

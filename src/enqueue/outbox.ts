/** Writing events: the application's side of the outbox. Knows neither Kafka nor Redis. */
import { OutboxClosedError, TransactionAsyncError } from '../core/errors.ts';
import type { AnyTopics, AppendResult, EventOf, OutboxEvent } from '../core/event.ts';
import { ignore, isThenable } from '../core/thenable.ts';
import type { EventAppender, OutboxIdentity, OutboxStore } from '../outbox/store.ts';
import { type EncodeRules, encodeEvent } from './encode.ts';
import { Publisher } from './publisher.ts';

const AsyncFunction = (async () => {}).constructor as new () => object;

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

/**
 * The application's side of an outbox; made by `openOutbox`.
 * @typeParam Topics topic names and the types of their values; without one, any name and value
 */
export class Outbox<Topics extends object = AnyTopics> {
  readonly #parts: OutboxParts;
  readonly #publisher: Publisher;
  #closing: Promise<void> | null = null;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#publisher = new Publisher(parts.openStore);
  }

  /** Id of the file and its number of lanes. */
  get identity(): OutboxIdentity {
    return this.#parts.appender.identity;
  }

  /** The file: absolute, without symbolic links. */
  get path(): string {
    return this.#parts.path;
  }

  /**
   * Writes one event into whatever transaction is open on the handle, durable when that one
   * commits; with none open it commits by itself before it returns.
   *
   * Synchronous, as SQLite is: it returns when the disk has synced. On a handle of its own it waits
   * for another writer up to 2 s, on the application's as long as that one's `busy_timeout` says.
   * For servers there is {@link Outbox.publish}.
   * @throws EVENT_INVALID, EVENT_TOO_LARGE, OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO, OUTBOX_CLOSED,
   *   OUTCOME_UNKNOWN, SYNCHRONOUS_NOT_FULL
   */
  enqueue(event: EventOf<Topics>): AppendResult {
    return this.enqueueMany([event])[0] as AppendResult;
  }

  /** Writes all events or none; results are in their order. Throws as {@link Outbox.enqueue}. */
  enqueueMany(events: readonly EventOf<Topics>[]): AppendResult[] {
    this.#refuseWhenClosed();
    const encoded = events.map((event) => encodeEvent(event as OutboxEvent, this.#parts.rules));
    return encoded.length === 0 ? [] : this.#parts.appender.append(encoded);
  }

  /** Throws what `enqueue` would throw because of the event; writes nothing. */
  validate(event: EventOf<Topics>): void {
    encodeEvent(event as OutboxEvent, this.#parts.rules);
  }

  /**
   * Runs `fn` in a transaction of the handle, or in a savepoint of the open one; rolled back when
   * it throws.
   *
   * An `async` function is not even called: what it writes after its first `await` would commit by
   * itself, outside. One that returns a promise all the same is rolled back.
   * @throws TRANSACTION_ASYNC; what `fn` throws; OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO,
   *   OUTCOME_UNKNOWN, OUTBOX_CLOSED
   */
  transaction<T>(fn: () => T): T {
    this.#refuseWhenClosed();
    if (fn instanceof AsyncFunction) {
      throw new TransactionAsyncError('transaction() was given an async function');
    }
    return this.#parts.transaction(() => {
      const result = fn();
      if (isThenable(result)) {
        ignore(result);
        throw new TransactionAsyncError('the function of transaction() returned a promise');
      }
      return result;
    });
  }

  /**
   * Writes one event in a commit that concurrent callers share, on a connection of its own: a
   * transaction open on the application's handle is never joined. Resolves when it is durable.
   * Do not await it inside a write transaction of your own: it would wait for that one to end.
   * Waits up to 30 s for another writer without blocking the event loop, then rejects with
   * OUTBOX_BUSY; otherwise as {@link Outbox.enqueue} throws.
   */
  async publish(event: EventOf<Topics>): Promise<AppendResult> {
    this.#refuseWhenClosed();
    return this.#publisher.publish(encodeEvent(event as OutboxEvent, this.#parts.rules));
  }

  /**
   * Takes nothing more, waits for what is being published, closes what was opened; a handle of the
   * application stays open. Legal twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#publisher.close().then(() => this.#parts.close());
    return this.#closing;
  }

  /** As {@link Outbox.close}, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== null) throw new OutboxClosedError('the outbox is closed');
  }
}

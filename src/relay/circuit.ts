/**
 * The circuit breaker: closed while Kafka takes records, open during an outage.
 *
 * While it is open a drain probes once instead of sending, so that an outage costs neither a
 * producer nor an event's attempts. Probes of several lanes at the same moment are one.
 */
import type { CircuitState } from '../outbox/store.ts';
import type { Driver, SendFailure } from '../sink/driver.ts';
import type { RelayEmitter } from './events.ts';

export interface CircuitParts {
  readonly driver: Driver;
  readonly emitter: RelayEmitter;
  /** How long one probe may take, milliseconds. */
  readonly probeTimeoutMs: number;
}

export class Circuit {
  readonly #parts: CircuitParts;
  #state: CircuitState = 'closed';
  #probing: Promise<SendFailure | null> | null = null;

  constructor(parts: CircuitParts) {
    this.#parts = parts;
  }

  get state(): CircuitState {
    return this.#state;
  }

  open(failure: SendFailure): void {
    if (this.#state === 'open') return;
    this.#state = 'open';
    this.#parts.emitter.emit('circuit', { state: 'open', cause: failure });
  }

  /** Called with proof only: a broker answered. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#parts.emitter.emit('circuit', { state: 'closed', cause: null });
  }

  /** Asks whether a broker answers, in any state, and opens or closes by the answer. */
  async ask(): Promise<boolean> {
    const failure = await this.#probe();
    if (failure !== null) this.open(failure);
    return failure === null;
  }

  /** `null` when records may be sent; otherwise what the one probe of this call ran into. */
  pass(): Promise<SendFailure | null> {
    if (this.#state === 'closed') return Promise.resolve(null);
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = null;
    });
    return this.#probing;
  }

  async #probe(): Promise<SendFailure | null> {
    const outcome = await this.#parts.driver.leaders([], this.#parts.probeTimeoutMs);
    if (outcome.kind !== 'answered') return outcome;
    this.close();
    return null;
  }
}

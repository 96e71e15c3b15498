/** What is known about Kafka, from the relay's own work and, when that is silent, by asking. */
import type { Relay } from '../app.ts';
import { type Clock, pause, within } from '../core/clock.ts';
import { OutboxRelayError } from '../core/errors.ts';

/** An answer older than this is asked for again; sooner when it was none. */
const freshMs = 5_000;
const freshAwayMs = 500;
const lookEveryMs = 20;

export class KafkaWatch {
  readonly #relay: Relay;
  readonly #clock: Clock;
  #runs = false;
  #answers = false;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | null = null;

  constructor(relay: Relay, clock: Clock) {
    this.#relay = relay;
    this.#clock = clock;
    relay.on('started', () => {
      this.#runs = true;
    });
    relay.on('stopped', () => {
      this.#runs = false;
    });
    relay.on('delivered', () => this.#heard(true));
    relay.on('circuit', ({ state }) => this.#heard(state === 'closed'));
  }

  /** The relay runs, and Kafka answered when it was asked last. */
  isReady(): boolean {
    const ageMs = this.#clock.monotonic() - this.#heardAtMs;
    if (ageMs > (this.#answers ? freshMs : freshAwayMs)) this.refresh();
    return this.#runs && this.#answers;
  }

  /** Asks in the background; one question at a time. */
  refresh(): void {
    if (!this.#runs) return;
    this.#asking ??= this.#relay
      .askKafka()
      .then((answers) => this.#heard(answers))
      .catch(() => {}) // it was stopped meanwhile
      .finally(() => {
        this.#asking = null;
      });
  }

  /** Resolves when nothing waits any more, when Kafka does not answer, or at the deadline. */
  async drained(deadlineMs: number): Promise<void> {
    const endMs = this.#clock.monotonic() + deadlineMs;
    const waits = () => this.#runs && this.#pending() > 0;
    if (!waits()) return;
    this.refresh();
    if (this.#asking !== null) await within(this.#clock, deadlineMs, this.#asking);
    while (this.#answers && waits()) {
      if (this.#clock.monotonic() >= endMs) return;
      await pause(this.#clock, lookEveryMs);
    }
  }

  /** 0 when it cannot be read, or somebody else stops the relay: nothing to wait for. */
  #pending(): number {
    try {
      return this.#relay.status().pending;
    } catch (error) {
      if (error instanceof OutboxRelayError) return 0;
      throw error;
    }
  }

  #heard(answers: boolean): void {
    this.#answers = answers;
    this.#heardAtMs = this.#clock.monotonic();
  }
}

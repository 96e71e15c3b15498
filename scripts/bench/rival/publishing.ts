/** A steady stream of events until it is stopped, and a ledger of what was accepted. */
import { pause } from '../../demo/client.ts';
import { type AcceptedEvent, hashOf } from '../../demo/ledger.ts';
import { type RawEvent, rawEvent } from '../events.ts';

type Publish = (event: RawEvent) => Promise<unknown>;

export const eventsPerSecond = 200;

export class Publishing {
  readonly accepted: AcceptedEvent[] = [];
  readonly #publish: Publish;
  #running: Promise<void> | null = null;
  #stopping = false;

  /** `publish` resolves when the event is accepted. */
  constructor(publish: Publish) {
    this.#publish = publish;
  }

  start(): void {
    this.#running = this.#run();
    this.#running.catch(() => {}); // stop() rejects with it
  }

  /** Resolves when all that was published is accepted; rejects when something was not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const startedMs = performance.now();
    const publishes: Promise<void>[] = [];
    while (!this.#stopping) {
      const due = ((performance.now() - startedMs) / 1_000) * eventsPerSecond;
      while (publishes.length < due) {
        const accepted = this.#accept(publishes.length);
        accepted.catch(() => {}); // Promise.all() rejects with it
        publishes.push(accepted);
      }
      await pause(1);
    }
    await Promise.all(publishes);
  }

  async #accept(number: number): Promise<void> {
    const event = rawEvent(number);
    await this.#publish(event);
    const { key, value } = event;
    const atMs = Date.now();
    this.accepted.push({ number, id: String(number), key, hash: hashOf(value), atMs });
  }
}

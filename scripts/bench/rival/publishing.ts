/** A steady stream of events until it is stopped, and a ledger of what was accepted. */

import { hashOf } from '../../../src/testing/checker.ts';
import { pause } from '../../demo/client.ts';
import type { LedgerEvent } from '../../demo/ledger.ts';
import { type RawEvent, rawEvent } from '../events.ts';

type Publish = (event: RawEvent) => Promise<unknown>;

export const eventsPerSecond = 200;

export class Publishing {
  readonly accepted: LedgerEvent[] = [];
  readonly #topic: string;
  readonly #publish: Publish;
  #running: Promise<void> | null = null;
  #stopping = false;

  /** `publish` resolves when the event is accepted; it goes to this topic. */
  constructor(topic: string, publish: Publish) {
    this.#topic = topic;
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
    const given = { topic: this.#topic, key, hash: hashOf(value) };
    this.accepted.push({ ...given, number, id: String(number), atMs: Date.now() });
  }
}

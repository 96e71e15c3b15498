/** A driver that tells which of its sends are under way: a fault counts when it met one. */
import type { RelayConfig } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Relay } from '../../src/index.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import type {
  Driver,
  Sender,
  SendOutcome,
  TransactionalSender,
  TransactionNames,
} from '../../src/sink/driver.ts';
import { createKafkaJsDriver } from '../../src/sink/kafkajs/driver.ts';
import type { Scene } from '../support/scene.ts';

const batchEvents = 200;

export interface Watched {
  readonly relay: Relay;
  readonly driver: WatchedDriver;
}

/** A relay of the scene in this process, started, and what it sends by. */
export async function startWatched(
  scene: Scene,
  address: string,
  delivery: Delivery,
): Promise<Watched> {
  const drivers: WatchedDriver[] = [];
  const options = { delivery, createTopics: 'never', batchEvents } as const;
  const relay = scene.relay(address, options, {
    createDriver: (config) => {
      const driver = WatchedDriver.of(config);
      drivers.push(driver);
      return driver;
    },
  });
  await relay.start();
  return { relay, driver: drivers[0] as WatchedDriver };
}

export class WatchedDriver implements Driver {
  readonly name: string;
  readonly #driver: Driver;
  /** Ends its transactional ids, so that nobody is fenced. */
  #suffix = '';
  #underWay = 0;
  #failed = 0;
  #acked = 0;
  #marks = 0;
  #brokenSinceMark = 0;

  constructor(driver: Driver) {
    this.#driver = driver;
    this.name = driver.name;
  }

  /** Around the driver that a relay of this configuration would use. */
  static of({ brokers, clientId, createTopics, security }: RelayConfig): WatchedDriver {
    const options = { brokers, clientId, createTopics, security, clock: systemClock };
    return new WatchedDriver(createKafkaJsDriver(options));
  }

  /** It keeps nobody out, and nobody keeps it out. */
  withOwnId(suffix: string): this {
    this.#suffix = suffix;
    return this;
  }

  /** Sends of records that have not been answered. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Sends that came to nothing, or nobody knows to what. */
  get failed(): number {
    return this.#failed;
  }

  /** Sends that Kafka has acknowledged. */
  get acked(): number {
    return this.#acked;
  }

  /** From now on {@link brokenSinceMark} counts anew. */
  mark(): void {
    this.#marks += 1;
    this.#brokenSinceMark = 0;
  }

  /** Sends that were under way at the mark and came to nothing. */
  get brokenSinceMark(): number {
    return this.#brokenSinceMark;
  }

  async #watch(send: () => Promise<SendOutcome>): Promise<SendOutcome> {
    this.#underWay += 1;
    const marks = this.#marks;
    try {
      const outcome = await send();
      if (outcome.kind === 'acked') this.#acked += 1;
      else this.#failed += 1;
      if (outcome.kind !== 'acked' && marks < this.#marks) this.#brokenSinceMark += 1;
      return outcome;
    } finally {
      this.#underWay -= 1;
    }
  }

  createSender(label: string): Sender {
    const sender = this.#driver.createSender(label);
    return {
      send: (records, deadlineMs) => this.#watch(() => sender.send(records, deadlineMs)),
      close: () => sender.close(),
    };
  }

  createTransactionalSender(label: string, names: TransactionNames): TransactionalSender {
    const own = { ...names, transactionalId: names.transactionalId + this.#suffix };
    const sender = this.#driver.createTransactionalSender?.(label, own);
    if (sender === undefined) throw new Error('this driver has no transactions');
    return {
      get isOpen() {
        return sender.isOpen;
      },
      get mayHaveLost() {
        return sender.mayHaveLost;
      },
      get inDoubt() {
        return sender.inDoubt;
      },
      open: (deadlineMs) => sender.open(deadlineMs),
      send: (records, marks, deadlineMs) => {
        const send = () => sender.send(records, marks, deadlineMs);
        return records.length === 0 ? send() : this.#watch(send);
      },
      close: () => sender.close(),
    };
  }

  leaders(topics: readonly string[], deadlineMs: number) {
    return this.#driver.leaders(topics, deadlineMs);
  }

  prepare(topics: readonly string[], deadlineMs: number) {
    return this.#driver.prepare(topics, deadlineMs);
  }

  close(deadlineMs: number): Promise<void> {
    return this.#driver.close(deadlineMs);
  }
}

/**
 * What the nemesis plays with: a broker behind a proxy, a Redis, two relays in processes of their
 * own that share one outbox, and an application that goes on writing.
 */
import { pause, systemClock } from '../../src/core/clock.ts';
import { type OutboxStatus, openStatus, type StatusReader } from '../../src/index.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { Child } from '../support/child.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';
import { RedisServer } from '../support/redis.ts';
import { Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';
import { isUnderWay, lanesOwned } from './ownership.ts';

/** Short, so that a relay that is frozen longer loses its lanes within a round. */
export const leaseMs = 3_000;
export const batchEvents = 50;
const drainedMsMax = 120_000;
/** About as fast as the relays send, so that they are seldom without work. */
const writingEveryMs = 10;
const eventsPerWrite = 20;
/** Some batches for each lane. */
const eventsToGoOn = 400;

export class World {
  readonly kafka: KafkaBroker;
  readonly redis: RedisServer;
  /** Between the relays and the broker; others reach the broker directly. */
  readonly network: TcpProxy;
  readonly scene = new Scene(4);
  readonly relays: Child[] = [];
  readonly #delivery: Delivery;
  readonly #endedByUs = new Set<Child>();
  readonly #marks = new Map<Child, number>();
  readonly #crashes: string[] = [];
  #status: StatusReader | null = null;

  private constructor(
    parts: { readonly kafka: KafkaBroker; readonly redis: RedisServer; readonly network: TcpProxy },
    delivery: Delivery,
  ) {
    this.kafka = parts.kafka;
    this.redis = parts.redis;
    this.network = parts.network;
    this.#delivery = delivery;
  }

  static async start(delivery: Delivery): Promise<World> {
    const network = await TcpProxy.listen(await freePort());
    const [kafka, redis] = await Promise.all([
      KafkaBroker.start({ advertised: network.address }),
      RedisServer.start(),
    ]);
    network.forwardTo(kafka.container.port);
    const world = new World({ kafka, redis, network }, delivery);
    await kafka.createTopic(world.scene.topic);
    world.scene.enqueue(1);
    for (const index of [0, 1]) world.startRelay(index);
    return world;
  }

  /** In place of one that has ended. */
  startRelay(index: number): void {
    const given = {
      ...{ db: this.scene.db, brokers: [this.network.address], redis: this.redis.url },
      ...{ delivery: this.#delivery, createTopics: 'never', batchEvents },
      ...{ leaseMs, sendTimeoutMs: 2_000, retry: { retries: 3, delayMs: 500 } },
    };
    const args = [JSON.stringify(given)];
    const child = Child.node('test/fault/relay-child.ts', args, { stdin: 'pipe' });
    this.scene.onClose(() => this.#end(child));
    this.relays[index] = child;
    // Of two relays one would hide that the other ends by itself.
    void child.ended.then(({ code, signal }) => {
      if (this.#endedByUs.has(child)) return;
      this.#crashes.push(`relay ${index} ended: ${code ?? signal}: ${child.errors.join('\n')}`);
    });
  }

  async #end(child: Child): Promise<void> {
    this.#endedByUs.add(child);
    await child.kill();
  }

  async killRelay(index: number): Promise<void> {
    await this.#end(this.relay(index));
  }

  /** From now on {@link linesSinceMark} begins. */
  mark(): void {
    for (const relay of this.relays) this.#marks.set(relay, relay.lines.length);
  }

  linesSinceMark(relay: Child): string[] {
    return relay.lines.slice(this.#marks.get(relay) ?? 0);
  }

  /** Whether a send of a relay that still runs came to nothing since the mark. */
  hasBrokenSends(): boolean {
    const lines = this.relays.flatMap((relay) => this.linesSinceMark(relay));
    return lines.some((line) => line.includes('"laneFailed"'));
  }

  /** Goes on writing while the work is done, and before, until something is delivered. */
  async amidWriting<T>(work: () => Promise<T>): Promise<T> {
    let isDone = false;
    const write = async () => {
      while (!isDone) {
        this.scene.enqueue(eventsPerWrite);
        await pause(systemClock, writingEveryMs);
      }
    };
    const writing = write();
    try {
      await this.progress();
      return await work();
    } finally {
      isDone = true;
      await writing;
    }
  }

  relay(index: number): Child {
    const relay = this.relays[index];
    if (relay === undefined) throw new Error(`there is no relay ${index}`);
    return relay;
  }

  /** Resolves when this relay owns a lane and has something to send there. */
  async isBusy(index: number): Promise<void> {
    const isOnIt = () => {
      if (this.status().pending < eventsToGoOn / 2) this.scene.enqueue(eventsToGoOn);
      return isUnderWay(this.scene.db, lanesOwned(this.relay(index).lines));
    };
    await until(`relay ${index} owns a lane`, isOnIt, { timeoutMs: drainedMsMax, everyMs: 1 });
  }

  status(): OutboxStatus {
    if (this.#crashes.length > 0) throw new Error(this.#crashes.join('\n'));
    this.#status ??= openStatus(this.scene.db);
    return this.#status.read();
  }

  /** Resolves when more has been delivered than now. */
  async progress(): Promise<void> {
    const { delivered } = this.status();
    const isMore = () => this.status().delivered > delivered;
    await until('something is delivered', isMore, { timeoutMs: drainedMsMax });
  }

  async drained(): Promise<void> {
    const isDone = () => this.status().pending === 0 && this.status().held === 0;
    await until('everything is delivered', isDone, { timeoutMs: drainedMsMax });
  }

  async stop(): Promise<void> {
    this.#status?.close();
    await this.scene.close();
    await this.network.close();
    await this.redis.stop();
    await this.kafka.stop();
  }
}

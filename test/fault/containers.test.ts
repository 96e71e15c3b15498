/**
 * Two relays in containers of their own, on one volume: neither sees the other's processes, and
 * only the files tell who is alive. One is killed, one is frozen beyond its lease; it counts when
 * the relay owned a lane with something to send.
 */
import { dirname } from 'node:path';
import { describe, expect } from 'vitest';
import { openStatus, type StatusReader } from '../../src/index.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { root } from '../support/child.ts';
import { Container, isRunning, linesOf } from '../support/container.ts';
import { kafkaImage } from '../support/images.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { onLinux } from '../support/platform.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';
import { byForm, report, together } from './form.ts';
import { freezeBetweenCommits, hasTaken, isUnderWay, lanesOwned } from './ownership.ts';
import { witnessOf } from './witness.ts';

const rounds = byForm({ short: 1, full: 5 });
/** Docker takes its time to stop a container, and it must meet a relay at work. */
const eventsAtOnce = 4_000;
const triesMax = rounds * 10;
const leaseMs = 3_000;

/** This repository and this Node in a container, with nothing else but the volume. */
async function startRelay(
  kafka: KafkaBroker,
  scene: Scene,
  delivery: Delivery,
): Promise<Container> {
  const how = { delivery, createTopics: 'never', batchEvents: 50, leaseMs, sendTimeoutMs: 2_000 };
  const given = { db: scene.db, brokers: [kafka.address], ...how };
  const container = await Container.start({
    image: kafkaImage(), // any with what Node is linked to
    entrypoint: [process.execPath],
    command: [`${root}test/fault/relay-child.ts`, JSON.stringify(given)],
    user: '0',
    ports: [kafka.container.port],
    networkOf: kafka.container,
    mounts: [
      { path: dirname(process.execPath), isReadOnly: true },
      { path: root, isReadOnly: true },
      { path: scene.folder, isReadOnly: false },
    ],
    isReady: async () => true, // what it delivers tells
  });
  scene.onClose(() => container.remove());
  return container;
}

/** What is done to the two relays, and whether it met them at work. */
class Pair {
  readonly kafka: KafkaBroker;
  readonly scene: Scene;
  readonly #relays: readonly [Container, Container];
  readonly #status: StatusReader;

  private constructor(kafka: KafkaBroker, scene: Scene, relays: readonly [Container, Container]) {
    this.kafka = kafka;
    this.scene = scene;
    this.#relays = relays;
    this.#status = openStatus(scene.db);
    scene.onClose(() => this.#status.close());
  }

  static async start(delivery: Delivery): Promise<Pair> {
    const kafka = await KafkaBroker.start();
    const scene = new Scene(4);
    await kafka.createTopic(scene.topic);
    scene.enqueue(1); // makes the outbox, with its lanes
    const first = await startRelay(kafka, scene, delivery);
    return new Pair(kafka, scene, [first, await startRelay(kafka, scene, delivery)]);
  }

  async stop(): Promise<void> {
    await this.scene.close();
    await this.kafka.stop();
  }

  async drained(): Promise<void> {
    const isDone = () => this.#status.read().pending === 0;
    await until('everything is delivered', isDone, { timeoutMs: 120_000 });
  }

  /** Resolves when this one owns a lane, and has something to send there. */
  async #isBusy(relay: Container): Promise<void> {
    const isOnIt = async () => {
      if (this.#status.read().pending < eventsAtOnce / 2) this.scene.enqueue(eventsAtOnce);
      return isUnderWay(this.scene.db, lanesOwned(await linesOf(relay)));
    };
    await until('it owns a lane', isOnIt);
  }

  async areRunning(): Promise<boolean> {
    return (await Promise.all(this.#relays.map(isRunning))).every(Boolean);
  }

  async killFirst(): Promise<boolean> {
    const [first] = this.#relays;
    await this.#isBusy(first);
    await first.kill();
    const hasMet = isUnderWay(this.scene.db, lanesOwned(await linesOf(first)));
    await this.drained(); // the other one has its lanes
    await first.start();
    return hasMet;
  }

  async freezeSecond(): Promise<boolean> {
    const [first, second] = this.#relays;
    const before = (await linesOf(first)).length;
    await freezeBetweenCommits(this.scene.db, {
      freeze: async () => {
        await this.#isBusy(second);
        await second.pause();
      },
      thaw: () => second.unpause(),
    });
    await this.drained();
    const hasMet = hasTaken((await linesOf(first)).slice(before));
    const { length } = await linesOf(second);
    await second.unpause();
    await until('the woken relay goes on', async () => {
      if (this.#status.read().pending === 0) this.scene.enqueue(100);
      return (await linesOf(second)).length > length;
    });
    await this.drained();
    return hasMet;
  }
}

describe.runIf(onLinux)('two relays in containers of their own, on one volume', () => {
  together.each<Delivery>(['at-least-once', 'exactly-once'])(
    'lose and reorder nothing: %s',
    { timeout: 600_000 },
    async (delivery) => {
      const pair = await Pair.start(delivery);
      try {
        let [kills, freezes] = [0, 0];
        for (let tries = 0; tries < triesMax; tries += 1) {
          if (kills < rounds && (await pair.killFirst())) kills += 1;
          if (freezes < rounds && (await pair.freezeSecond())) freezes += 1;
        }
        expect({ kills, freezes }).toEqual({ kills: rounds, freezes: rounds });
        expect(await pair.areRunning(), 'none has ended by itself').toBe(true);
        const { examples, ...facts } = await pair.scene.account(witnessOf(pair.kafka, delivery));
        report('two containers', { delivery, kills, freezes, ...facts });
        expect({ ...facts, examples }).toMatchObject(allDelivered);
        if (delivery === 'exactly-once') expect(facts).toMatchObject({ duplicated: 0 });
      } finally {
        await pair.stop();
      }
    },
  );
});

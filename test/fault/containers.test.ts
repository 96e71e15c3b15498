/**
 * Two relays in containers of their own, on one volume: neither sees the other's processes, and
 * only the files tell who is alive. One is killed, one is frozen beyond its lease.
 */
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStatus } from '../../src/index.ts';
import type { Delivery } from '../../src/relay/lane-parts.ts';
import { root } from '../support/child.ts';
import { Container } from '../support/container.ts';
import { kafkaImage } from '../support/images.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { onLinux } from '../support/platform.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';
import { byForm, report } from './form.ts';
import { witnessOf } from './witness.ts';

const rounds = byForm({ short: 1, full: 5 });
const eventsAtOnce = byForm({ short: 400, full: 2_000 });
const leaseMs = 3_000;

let kafka: KafkaBroker;
let scene: Scene;

beforeEach(async () => {
  kafka = await KafkaBroker.start();
  scene = new Scene(4);
  await kafka.createTopic(scene.topic);
  scene.enqueue(1); // makes the outbox, with its lanes
});
afterEach(async () => {
  await scene.close();
  await kafka.stop();
});

/** This repository and this Node in a container, with nothing else but the volume. */
async function startRelay(delivery: Delivery): Promise<Container> {
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

describe.runIf(onLinux)('two relays in containers of their own, on one volume', () => {
  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'lose and reorder nothing: %s',
    { timeout: 600_000 },
    async (delivery) => {
      const relays = [await startRelay(delivery), await startRelay(delivery)] as const;
      const status = openStatus(scene.db);
      scene.onClose(() => status.close());
      const isDone = () => status.read().pending === 0;
      const drained = () => until('everything is delivered', isDone, { timeoutMs: 120_000 });
      const progress = async () => {
        const { delivered } = status.read();
        scene.enqueue(eventsAtOnce);
        await until('some is delivered', () => status.read().delivered > delivered);
      };
      const [first, second] = relays;
      for (let round = 0; round < rounds; round += 1) {
        await progress();
        await first.kill();
        await drained(); // the other one has its lanes
        await first.start();
        await progress();
        await second.pause();
        await drained();
        scene.enqueue(eventsAtOnce);
        await second.unpause();
        await drained();
      }
      const { examples, ...facts } = await scene.account(witnessOf(kafka, delivery));
      report('two containers', { delivery, kills: rounds, freezes: rounds, ...facts });
      expect({ ...facts, examples }).toMatchObject(allDelivered);
      if (delivery === 'exactly-once') expect(facts).toMatchObject({ duplicated: 0 });
    },
  );
});

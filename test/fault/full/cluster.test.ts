/**
 * Three brokers, of which one is lost and comes back, again and again: leaders move, and the
 * coordinators of those transactions that it had. A loss counts when a send that was under way
 * before it came to nothing. In the full form only.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/relay/lane-parts.ts';
import { KafkaPair } from '../../support/kafka-pair.ts';
import { allDelivered, Scene } from '../../support/scene.ts';
import { until } from '../../support/wait.ts';
import { Chance, report } from '../form.ts';
import { startWatched } from '../watched-driver.ts';

const lossesWanted = 5;
const eventsPerLoss = 4_000;

const settings = {
  KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '3',
  KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '3',
  KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '2',
  KAFKA_DEFAULT_REPLICATION_FACTOR: '3',
  KAFKA_MIN_INSYNC_REPLICAS: '2',
  KAFKA_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS: '2',
  KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
};

const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

describe('one broker of three that is lost', () => {
  it.each<Delivery>(['at-least-once', 'exactly-once'])(
    'loses and reorders nothing: %s',
    { timeout: 900_000 },
    async (delivery) => {
      const chance = new Chance(`cluster ${delivery}`);
      const cluster = await KafkaPair.start(settings, 3);
      const scene = new Scene(4);
      scene.enqueue(1); // makes the outbox, with its lanes
      scenes.push(scene);
      try {
        const places = [
          [2, 1, 3],
          [3, 2, 1],
          [2, 3, 1],
        ] as const;
        await cluster.createSpread(scene.topic, places, { 'min.insync.replicas': 2 });
        const { relay, driver } = await startWatched(scene, cluster.address, delivery);
        let [losses, counted] = [0, 0];
        while (counted < lossesWanted) {
          const acked = driver.acked + chance.between(1, 5);
          scene.enqueue(eventsPerLoss);
          await until('sends are under way', () => driver.acked >= acked, { everyMs: 1 });
          driver.mark();
          await cluster.killSecond();
          await scene.allDelivered(relay, 120_000); // two of three are enough
          losses += 1;
          if (driver.brokenSinceMark > 0) counted += 1;
          scene.enqueue(eventsPerLoss);
          await cluster.startSecond();
          await scene.allDelivered(relay, 120_000);
          await cluster.isWhole(scene.topic);
        }
        const { examples, ...facts } = await scene.account(cluster.committed);
        report('one of three brokers', {
          ...{ delivery, seed: chance.seed, losses, counted, ...facts },
        });
        expect({ ...facts, examples }).toMatchObject(allDelivered);
        if (delivery === 'exactly-once') expect(facts).toMatchObject({ duplicated: 0 });
      } finally {
        for (const open of scenes.splice(0)) await open.close();
        await cluster.stop();
      }
    },
  );
});

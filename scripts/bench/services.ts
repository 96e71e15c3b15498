/** Kafka and Redis of a benchmark, in containers of its own. */

import { freePorts } from '../../src/testing/ports.ts';
import { removeContainer } from '../demo/docker.ts';
import type { Endings } from '../demo/endings.ts';
import { chooseImages, kafkaSpec, redisReady, redisSpec, startService } from '../demo/services.ts';
import { BareKafka } from './bare.ts';

const readyMs = 60_000;

export interface Services {
  readonly brokers: string;
  /** The broker's container; killed and started again it has the same address. */
  readonly kafkaContainer: string;
  readonly redis: string;
  readonly kafka: BareKafka;
}

export async function startServices(endings: Endings): Promise<Services> {
  const images = chooseImages();
  const [kafkaPort = 0, redisPort = 0] = await freePorts(2);
  const name = (part: string) => `outbox-relay-bench-${process.pid}-${part}`;
  const kafka = kafkaSpec(name('kafka'), images.kafka, kafkaPort);
  const redis = redisSpec(name('redis'), images.redis, redisPort);
  for (const spec of [kafka, redis]) {
    endings.add(spec.name, () => removeContainer(spec.name));
    await startService(spec);
  }
  await redisReady(redis, readyMs);
  const brokers = `127.0.0.1:${kafkaPort}`;
  const bare = new BareKafka(brokers);
  endings.add('the bare client', () => bare.close());
  await bare.ready(readyMs);
  const redisUrl = `redis://127.0.0.1:${redisPort}`;
  return { brokers, kafkaContainer: kafka.name, redis: redisUrl, kafka: bare };
}

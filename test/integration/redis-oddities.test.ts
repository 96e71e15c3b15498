/** What a real Redis does besides being away: keys that outlive their jobs, a freeze, eviction. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Relay } from '../../src/index.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { RedisServer } from '../support/redis.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

/** The promise is 2 s; ten times its margin on the real clock. */
const recoveryMs = 20_000;

let kafka: KafkaBroker;
let redis: RedisServer;
let scene: Scene;

beforeAll(async () => {
  [kafka, redis] = await Promise.all([KafkaBroker.start(), RedisServer.start()]);
});
afterAll(async () => {
  await redis?.stop();
  await kafka?.stop();
});
beforeEach(async () => {
  scene = new Scene();
  // A topic that is being made may take one share of a batch and not another: that is repeated.
  await kafka.createTopic(scene.topic);
});
afterEach(() => scene.close());

function relayWithJobs(inProcessDrain = true): Relay {
  return scene.relay(kafka.address, { redis: redis.url }, { inProcessDrain });
}

describe('a relay and an odd Redis', () => {
  it('removes a finished job’s deduplication key, which would swallow wake-ups', async () => {
    scene.enqueue(300);
    const nowhere = `127.0.0.1:${await freePort()}`;
    const retry = { retries: 0, delayMs: 600_000 };
    const first = scene.relay(nowhere, { redis: redis.url, retry });
    await first.start();
    const { outboxId, lanes } = scene.outbox.identity;
    const keys = `{outbox-relay}:outbox-${outboxId}`;
    const failed = await until('a job has failed', async () => {
      return (await redis.client.zrange(`${keys}:failed`, '0', '0'))[0];
    });
    await first.stop();
    for (let lane = 0; lane < lanes; lane += 1) {
      await redis.client.set(`${keys}:de:lane-${lane}`, failed);
    }
    const relay = relayWithJobs(false);
    await relay.start();
    await scene.drained(relay, recoveryMs);
    expect(relay.status()).toMatchObject({ delivered: 300, deliveredByJob: 300 });
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('drains beside a Redis that is frozen, and uses jobs again when it thaws', async () => {
    const relay = relayWithJobs();
    await relay.start();
    scene.enqueue(200);
    await scene.drained(relay);
    expect(relay.status().deliveredByJob).toBe(200);
    await redis.container.pause();
    try {
      // Until then a job may still be at its lane, for the moment that it watches for more.
      await new Promise((resolve) => relay.once('redis', resolve));
      scene.enqueue(200);
      await scene.drained(relay, recoveryMs);
      expect(relay.status()).toMatchObject({ delivered: 400, deliveredByJob: 200 });
    } finally {
      await redis.container.unpause();
    }
    await until('jobs send again', () => {
      scene.enqueue(1);
      return relay.status().deliveredByJob > 200;
    });
    await scene.drained(relay);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it.each([
    ['is full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['has become a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ])('drains beside a Redis that answers and %s, and uses jobs again later', async (_, ...how) => {
    const [[spoil = '', ...spoiled], [mend = '', ...mended]] = how;
    const relay = relayWithJobs();
    const causes: unknown[] = [];
    relay.on('redis', ({ reachable, cause }) => {
      if (!reachable) causes.push(cause);
    });
    await relay.start();
    await redis.client.call(spoil, ...spoiled);
    try {
      await until('the relay has seen it', () => causes.length > 0);
      scene.enqueue(200);
      await scene.drained(relay, recoveryMs);
      expect(relay.status()).toMatchObject({ delivered: 200, deliveredByJob: 0 });
      expect(String(causes[0])).toMatch(/OOM|READONLY/);
    } finally {
      await redis.client.call(mend, ...mended);
    }
    await until('jobs send again', () => {
      scene.enqueue(1);
      return relay.status().deliveredByJob > 0;
    });
    await scene.drained(relay);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('warns when Redis may evict jobs', async () => {
    await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const relay = relayWithJobs();
    const warned = new Promise((resolve) => {
      relay.on('warning', ({ code }) => resolve(code));
    });
    await relay.start();
    expect(await warned).toBe('REDIS_EVICTS');
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
  });
});

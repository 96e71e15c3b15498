/** The relay's BullMQ jobs against a real Redis that is absent, killed, or flushed. */
import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Relay, RelayOptions } from '../../src/index.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';
import { RedisServer } from '../support/redis.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

/** The promise is 2 s; ten times its margin on the real clock. */
const recoveryMs = 20_000;

let kafka: KafkaBroker;
let proxy: TcpProxy;
let redis: RedisServer;
let scene: Scene;

beforeAll(async () => {
  proxy = await TcpProxy.listen(await freePort());
  [kafka, redis] = await Promise.all([
    KafkaBroker.start({ advertised: proxy.address }),
    RedisServer.start(),
  ]);
  proxy.forwardTo(kafka.container.port);
});
afterAll(async () => {
  await proxy?.close();
  await redis?.stop();
  await kafka?.stop();
});
beforeEach(() => {
  scene = new Scene();
});
afterEach(async () => {
  proxy.forward();
  await scene.close();
});

function relayWithJobs(options: Partial<RelayOptions> = {}, inProcessDrain = true): Relay {
  return scene.relay(proxy.address, { redis: redis.url, ...options }, { inProcessDrain });
}

/** The jobs as anybody with a BullMQ dashboard sees them. */
function jobQueue(outboxId = scene.outbox.identity.outboxId): Queue {
  const connection = { host: '127.0.0.1', port: redis.container.port };
  const queue = new Queue(`outbox-${outboxId}`, { prefix: '{outbox-relay}', connection });
  scene.onClose(() => queue.close());
  return queue;
}

describe('a relay and its jobs', () => {
  it('sends from the processor of the job alone while Redis answers', async () => {
    scene.enqueue(1_000);
    const relay = relayWithJobs();
    await relay.start();
    scene.enqueue(1_000);
    await scene.drained(relay);
    expect(relay.status()).toMatchObject({ delivered: 2_000, deliveredByJob: 2_000 });
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('gives the job the configured count and delay, and uses them up without a loss', async () => {
    proxy.refuse();
    const retry = { retries: 2, delayMs: 1_000 };
    scene.outbox.enqueue({ topic: scene.topic, key: 'one', value: 'only event' });
    const relay = relayWithJobs({ retry });
    const failedAt: number[] = [];
    relay.on('laneFailed', () => failedAt.push(performance.now()));
    await relay.start();
    const queue = jobQueue();
    const job = await until('the job waits for its first retry', async () => {
      return (await queue.getDelayed())[0];
    });
    expect(job.opts).toMatchObject({ attempts: 3, backoff: { type: 'fixed', delay: 1_000 } });
    expect(job.attemptsMade).toBe(1);
    const rose = await until('attemptsMade rises', async () => {
      const again = await queue.getJob(job.id as string);
      return (again?.attemptsMade ?? 0) >= 2 ? again : null;
    });
    expect(rose.attemptsMade).toBe(2);
    const failed = await until('the job reaches failed', async () => (await queue.getFailed())[0]);
    expect(failed.id).toBe(job.id);
    expect(failed.attemptsMade).toBe(3);
    for (const [index, atMs] of failedAt.slice(1, 3).entries()) {
      expect(atMs - (failedAt[index] as number)).toBeGreaterThan(900);
    }
    expect(relay.status()).toMatchObject({ pending: 1, delivered: 0 });
    await until('the round is counted', () => relay.status().roundsUsedUp > 0);
    await until('a new round starts', async () => {
      const jobs = await queue.getJobs(['delayed', 'active', 'waiting']);
      return jobs.some(({ id }) => id !== job.id);
    });
    proxy.forward();
    await scene.drained(relay, recoveryMs);
    expect(relay.status()).toMatchObject({ delivered: 1, deliveredByJob: 1 });
  });

  it('delivers at once when Kafka answers, whatever delay the job is in', async () => {
    proxy.refuse();
    scene.enqueue(300);
    const relay = relayWithJobs({ retry: { retries: 5, delayMs: 600_000 } });
    await relay.start();
    const queue = jobQueue();
    await until('every lane is delayed', async () => (await queue.getDelayed()).length >= 8);
    proxy.forward();
    await kafka.probe();
    await scene.drained(relay, recoveryMs);
    expect(relay.status().deliveredByJob).toBe(300);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('takes over the delayed jobs of a relay that is gone', async () => {
    proxy.refuse();
    scene.enqueue(100);
    const retry = { retries: 5, delayMs: 600_000 };
    const first = relayWithJobs({ retry });
    await first.start();
    const queue = jobQueue();
    await until('lanes are delayed', async () => (await queue.getDelayed()).length >= 8);
    await first.stop();
    proxy.forward();
    const second = relayWithJobs({ retry });
    await second.start();
    await scene.drained(second, recoveryMs);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('goes on after FLUSHALL in the middle of an outage, without draining by itself', async () => {
    proxy.refuse();
    scene.enqueue(500);
    const relay = relayWithJobs({ retry: { retries: 60, delayMs: 600_000 } }, false);
    await relay.start();
    const queue = jobQueue();
    await until('lanes are delayed', async () => (await queue.getDelayed()).length >= 8);
    await redis.flushAll();
    await until('the sweep adds new jobs', async () => (await queue.getDelayed()).length >= 8);
    proxy.forward();
    await scene.drained(relay, recoveryMs);
    expect(relay.status().deliveredByJob).toBe(500);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('drains in-process when Redis has been absent for 5 s, and not before', async () => {
    const absent = `redis://127.0.0.1:${await freePort()}`;
    scene.enqueue(300);
    const startedMs = performance.now();
    const relay = scene.relay(proxy.address, { redis: absent });
    const first = new Promise<number>((resolve) => {
      relay.once('delivered', () => resolve(performance.now() - startedMs));
    });
    await relay.start();
    expect(await first).toBeGreaterThan(4_900);
    await scene.drained(relay);
    expect(relay.status()).toMatchObject({ delivered: 300, deliveredByJob: 0 });
  });

  it('accepts and delivers while Redis is killed, and uses jobs again afterwards', async () => {
    const relay = relayWithJobs();
    await relay.start();
    scene.enqueue(200);
    await scene.drained(relay);
    await redis.container.kill();
    scene.enqueue(200);
    await scene.drained(relay);
    const byJob = relay.status().deliveredByJob;
    await redis.container.start();
    await redis.container.ready();
    await until('jobs send again', () => {
      scene.enqueue(1);
      return relay.status().deliveredByJob > byJob;
    });
    await scene.drained(relay);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('keeps two outboxes on one Redis apart', async () => {
    const other = new Scene();
    try {
      scene.enqueue(300);
      other.enqueue(300);
      const relay = relayWithJobs();
      const otherRelay = other.relay(proxy.address, { redis: redis.url });
      await relay.start();
      await scene.drained(relay);
      expect(await jobQueue(other.outbox.identity.outboxId).getJobCountByTypes()).toBe(0);
      await otherRelay.start();
      await other.drained(otherRelay);
      expect(relay.status().delivered).toBe(300);
      expect(otherRelay.status().deliveredByJob).toBe(300);
      expect(await other.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
    } finally {
      await other.close();
    }
  });
});

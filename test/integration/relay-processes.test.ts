/** Relays as processes of their own: killed at every step, frozen, two at once, in containers. */
import { copyFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStatus, type RelayOptions } from '../../src/index.ts';
import {
  killRelayAt,
  type RelayProcess,
  type RelayProcessOptions,
  startRelayProcess,
} from '../../src/testing/relay-handle.ts';
import type { RelayOrders } from '../../src/testing/relay-orders.ts';
import { Child, root } from '../support/child.ts';
import { redisImage, sessionLabels } from '../support/images.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { RedisServer } from '../support/redis.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

/** The promise is 2 s; ten times its margin on the real clock. */
const takeoverMs = 20_000;
const batchEvents = 100;
const steps = ['claimed', 'read', 'checked', 'sent', 'settled', 'released'] as const;

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
beforeEach(() => {
  scene = new Scene();
});
afterEach(async () => {
  await scene.close();
});

/** Those of every relay here, in a container or not. */
function relayOptions(options: Partial<RelayOptions> = {}): RelayOptions {
  const createTopics = { partitions: 3, replicationFactor: 1 };
  const places = { db: scene.db, brokers: [kafka.address], redis: redis.url };
  return { ...places, createTopics, batchEvents, ...options };
}

async function startRelay(
  options: Partial<RelayOptions> = {},
  freeze: RelayProcessOptions = {},
): Promise<RelayProcess> {
  const relay = await startRelayProcess(relayOptions(options), freeze);
  scene.onClose(() => relay.kill());
  return relay;
}

async function drained(timeoutMs = 60_000): Promise<void> {
  const status = openStatus(scene.db);
  scene.onClose(() => status.close());
  await until('nothing pending', () => status.read().pending === 0, { timeoutMs });
}

describe('a relay process', () => {
  it.each(steps)('loses and reorders nothing when it is killed at %s', async (killAt) => {
    scene.enqueue(1_000);
    const killed = await killRelayAt(killAt, relayOptions(), { nth: 3 });
    expect((await killed.relay.ended).signal).toBe('SIGKILL');
    scene.enqueue(200);
    await startRelay();
    await drained();
    const account = await scene.account(kafka);
    expect(account).toMatchObject({ ...allDelivered, delivered: 1_200 });
    // Only what was between the broker's answer and its settling is sent again.
    expect(account.duplicated).toBeLessThanOrEqual(
      killAt === 'sent' ? 8 * batchEvents : 7 * batchEvents,
    );
    if (killAt === 'sent') expect(account.duplicated).toBeGreaterThan(0);
  });

  it('delivers at once after a restart, whatever job the killed one had active', async () => {
    scene.enqueue(2_000, { keys: 1 }); // one lane, whose job is active when it dies
    await killRelayAt('sent', relayOptions(), { nth: 2 });
    scene.enqueue(100, { keys: 1 });
    const restartedMs = performance.now();
    const next = await startRelay();
    const first = await next.waitFor('delivered', { timeoutMs: takeoverMs });
    expect(performance.now() - restartedMs).toBeLessThan(takeoverMs);
    // By a job would mean that it waited until BullMQ called the old one stalled.
    expect(first).toMatchObject({ via: 'sweep' });
    await drained();
    expect(await scene.account(kafka)).toMatchObject(allDelivered);
  });

  // Not inside a commit: there a frozen process holds SQLite's write lock, and everybody waits.
  it.each(['checked', 'sent'] as const)('loses its lanes when frozen at %s', async (freezeAt) => {
    const times = { leaseMs: 2_000, sendTimeoutMs: 1_000, batchEvents: 10 };
    scene.enqueue(2_000);
    const frozen = await startRelay(times, { freezeAt, nth: 20 });
    await frozen.waitFor('delivered');
    const second = await startRelay(times);
    await second.waitFor('leaseTaken');
    await drained();
    // It wakes with a batch that its fence no longer covers, and gives way.
    frozen.thaw();
    await frozen.waitFor('leaseLost');
    scene.enqueue(500);
    await drained();
    expect(await scene.account(kafka)).toMatchObject(allDelivered);
  });

  it('shares a file with a second one', async () => {
    await Promise.all([startRelay(), startRelay()]);
    for (let round = 0; round < 20; round += 1) scene.enqueue(200);
    await drained();
    const account = await scene.account(kafka);
    expect(account).toMatchObject({ ...allDelivered, delivered: 4_000, duplicated: 0 });
  });

  it('takes over from another container on the volume, whose process ids are its own', async () => {
    copyFileSync(process.execPath, `${scene.folder}/node`);
    scene.enqueue(3_000);
    const first = startInContainer({ step: 'sent', nth: 3, signal: 'SIGKILL' });
    await first.line('"step":"sent"');
    await first.ended;
    const restartedMs = performance.now();
    const second = startInContainer();
    await second.line('"delivered"', takeoverMs);
    expect(performance.now() - restartedMs).toBeLessThan(takeoverMs);
    expect(second.lines.join()).toContain('leaseTaken');
    scene.enqueue(100);
    await drained();
    expect(await scene.account(kafka)).toMatchObject(allDelivered);
  });

  it('relays beside one in another container, neither taking the other for dead', async () => {
    copyFileSync(process.execPath, `${scene.folder}/node`);
    const both = [startInContainer(), startInContainer()];
    await Promise.all(both.map((child) => child.line('"started"')));
    for (let round = 0; round < 10; round += 1) scene.enqueue(200);
    await drained();
    const account = await scene.account(kafka);
    expect(account).toMatchObject({ ...allDelivered, delivered: 2_000, duplicated: 0 });
    expect(both.flatMap(({ lines }) => lines).join()).not.toContain('leaseTaken');
  });
});

/** Any image with a C library will do; the Redis one is here. Its network is the host's. */
function startInContainer(fault: RelayOrders['fault'] = null): Child {
  const labels = Object.entries(sessionLabels()).flatMap(([key, value]) => [
    '--label',
    `${key}=${value}`,
  ]);
  const name = `outbox-relay-${crypto.randomUUID()}`;
  const args = [
    ...['run', '--rm', '--interactive', '--name', name, ...labels, '--network', 'host'],
    ...['--volume', `${scene.folder}:/outbox`, '--volume', `${root}:/app:ro`],
    ...['--workdir', '/app', '--entrypoint', 'sh', redisImage()],
    // Process 1 cannot kill itself, so that is the shell.
    ...['-c', '/outbox/node src/testing/relay-process.ts; exit $?'],
  ];
  const child = new Child('docker', args, { stdin: 'pipe' });
  const orders: RelayOrders = { options: relayOptions({ db: '/outbox/outbox.db' }), fault };
  child.write(`${JSON.stringify(orders)}\n`);
  scene.onClose(async () => {
    await new Child('docker', ['rm', '--force', '--volumes', name]).ended;
    await child.ended;
  });
  return child;
}

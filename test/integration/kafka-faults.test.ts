/** The relay, without Redis, and a real Kafka that is absent, killed, frozen or cut off. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WatchedDriver } from '../fault/watched-driver.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

/** Long enough that only the prober, not the retry, can explain a quick recovery. */
const slowRetry = { retries: 3, delayMs: 600_000 };
/** The promise is 2 s; ten times its margin on the real clock. */
const recoveryMs = 20_000;

let kafka: KafkaBroker;
let proxy: TcpProxy;
let scene: Scene;

beforeAll(async () => {
  proxy = await TcpProxy.listen(await freePort());
  kafka = await KafkaBroker.start({ advertised: proxy.address });
  proxy.forwardTo(kafka.container.port);
});
afterAll(async () => {
  await proxy?.close();
  await kafka?.stop();
});
beforeEach(() => {
  scene = new Scene();
});
afterEach(async () => {
  await scene.close();
});

describe('a relay and Kafka', () => {
  it('delivers what was there before it started and what comes after, in order', async () => {
    scene.enqueue(500);
    const relay = scene.relay(proxy.address);
    await relay.start();
    scene.enqueue(500);
    await scene.drained(relay);
    const account = await scene.account(kafka);
    expect(account).toMatchObject({ ...allDelivered, delivered: 1_000, duplicated: 0 });
  });

  it('delivers a tombstone, bytes, headers and an explicit partition as given', async () => {
    const value = Buffer.from([0, 255, 1]);
    const headers = [['h', Buffer.from([7])] as const, ['h', 'two'] as const];
    scene.outbox.enqueue({ topic: scene.topic, key: null, value, headers, partition: 2 });
    scene.outbox.enqueue({ topic: scene.topic, key: 'gone', value: null });
    const relay = scene.relay(proxy.address);
    await relay.start();
    await scene.drained(relay);
    const records = await kafka.consume(scene.topic, 2);
    const binary = records.find(({ key }) => key === null);
    expect(binary).toMatchObject({ partition: 2, value });
    expect(binary?.headers['h']).toBe(String([Buffer.from([7]), Buffer.from('two')]));
    expect(binary?.headers['outbox-seq']).toBe('1');
    expect(records.find(({ key }) => key === 'gone')?.value).toBeNull();
  });

  it('waits for a Kafka that is absent at the start', async () => {
    proxy.refuse();
    scene.enqueue(200);
    const relay = scene.relay(proxy.address, { retry: slowRetry });
    await relay.start();
    await until('the circuit is open', () => lanesFailed(relay) > 0);
    proxy.forward();
    await scene.drained(relay, recoveryMs);
    expect(await scene.account(kafka)).toMatchObject({ ...allDelivered, duplicated: 0 });
  });

  it('keeps the backlog while Kafka is killed, and drains it when Kafka is back', async () => {
    scene.enqueue(300);
    const relay = scene.relay(proxy.address, { retry: slowRetry });
    await relay.start();
    await scene.drained(relay);
    await kafka.container.kill();
    scene.enqueue(2_000);
    await until('the outage is seen', () => lanesFailed(relay) > 0);
    expect(relay.status().pending).toBe(2_000);
    await kafka.container.start();
    await kafka.probe();
    const backMs = performance.now();
    await scene.drained(relay, recoveryMs);
    expect(performance.now() - backMs).toBeLessThan(recoveryMs);
    expect(await scene.account(kafka)).toMatchObject(allDelivered);
  });

  it('survives a broker that freezes in the middle of sends', async () => {
    const drivers: WatchedDriver[] = [];
    const options = { retry: slowRetry, sendTimeoutMs: 1_500, batchEvents: 20 };
    const relay = scene.relay(proxy.address, options, {
      createDriver: (config) => {
        const made = WatchedDriver.of(config);
        drivers.push(made);
        return made;
      },
    });
    await relay.start();
    scene.enqueue(200);
    await scene.drained(relay);
    const [driver] = drivers as [WatchedDriver];
    expect(driver.failed).toBe(0);
    // New ones until it is frozen: whenever that is, some are being sent.
    let isFrozen = false;
    const freezing = kafka.container.pause().finally(() => {
      isFrozen = true;
    });
    const isFrozenOrMore = () => {
      if (!isFrozen) scene.enqueue(40);
      return isFrozen;
    };
    await until('the broker is frozen', isFrozenOrMore, { everyMs: 5 });
    const underWay = driver.underWay;
    try {
      await freezing;
      expect(underWay).toBeGreaterThan(0);
      await until('a send came to nothing', () => driver.failed > 0);
      await until('the frozen broker is seen', () => lanesFailed(relay) > 0);
    } finally {
      await kafka.container.unpause();
    }
    await scene.drained(relay, recoveryMs);
    expect(await scene.account(kafka)).toMatchObject(allDelivered);
  });

  it('survives a half-open connection, which answers nothing and stays open', async () => {
    const relay = scene.relay(proxy.address, { retry: slowRetry, sendTimeoutMs: 1_500 });
    await relay.start();
    scene.enqueue(200);
    await scene.drained(relay);
    proxy.swallow();
    scene.enqueue(500);
    await until('the silence is seen', () => lanesFailed(relay) > 0);
    proxy.forward();
    await scene.drained(relay, recoveryMs);
    expect(await scene.account(kafka)).toMatchObject(allDelivered);
  });

  it('does not let many topics that are new hold up what stands before them', async () => {
    const one = new Scene(1);
    scene.onClose(() => one.close());
    await kafka.createTopic(one.topic);
    one.enqueue(20);
    // More than can be made in the time that one question has.
    for (let count = 1; count <= 60; count += 1) {
      one.enqueue(1, { topic: `${one.topic}-${count}` });
    }
    const circuit: string[] = [];
    const relay = one.relay(proxy.address, { createTopics: 'broker' });
    relay.on('circuit', ({ state }) => circuit.push(state));
    await relay.start();
    await one.drained(relay);
    expect(relay.status().delivered).toBe(80);
    expect(circuit).toEqual([]);
  });

  it('stops cleanly in the middle of a backlog, and another relay goes on', async () => {
    scene.enqueue(5_000);
    const first = scene.relay(proxy.address, { batchEvents: 50 });
    const sent = new Promise((resolve) => first.on('delivered', resolve));
    await first.start();
    await sent;
    await first.stop();
    const second = scene.relay(proxy.address);
    await second.start();
    await scene.drained(second);
    const account = await scene.account(kafka);
    expect(account).toMatchObject({ ...allDelivered, delivered: 5_000, duplicated: 0 });
  });
});

function lanesFailed(relay: ReturnType<Scene['relay']>): number {
  return relay.status().lanes.filter(({ failure }) => failure !== null).length;
}

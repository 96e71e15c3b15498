/** `delivery: 'exactly-once'` for a consumer that reads what is committed: killed, frozen, lost. */
import { copyFileSync, rmSync } from 'node:fs';
import kafkajs from 'kafkajs';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DrainStep, diagnose, openStatus, type RelayOptions } from '../../src/index.ts';
import { watermarkTopic } from '../../src/sink/kafkajs/watermarks.ts';
import {
  killRelayAt,
  type RelayProcess,
  type RelayProcessOptions,
  startRelayProcess,
} from '../../src/testing/relay-handle.ts';
import { said } from '../support/doctor.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

const batchEvents = 50;
const lanes = 2;
const once = { ...allDelivered, duplicated: 0 };

let kafka: KafkaBroker;
let scene: Scene;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());
beforeEach(async () => {
  scene = new Scene(lanes);
});
afterEach(() => scene.close());

function relayOptions(options: Partial<RelayOptions> = {}): RelayOptions {
  const how = { delivery: 'exactly-once', createTopics: 'never', batchEvents } as const;
  return { db: scene.db, brokers: [kafka.address], ...how, ...options };
}

async function startRelay(
  options: Partial<RelayOptions> = {},
  fault: RelayProcessOptions = {},
): Promise<RelayProcess> {
  const relay = await startRelayProcess(relayOptions(options), fault);
  scene.onClose(() => relay.kill());
  return relay;
}

/** Behind these in each partition nothing can be that was sent before. */
async function enqueueLast(status: ReturnType<typeof openStatus>): Promise<void> {
  scene.enqueue(60);
  await until('the last ones are delivered', () => status.read().pending === 0);
}

function statusOf() {
  const status = openStatus(scene.db);
  scene.onClose(() => status.close());
  return status;
}

async function deleteWatermarks(): Promise<void> {
  const client = new kafkajs.Kafka({
    brokers: [kafka.address],
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = client.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [watermarkTopic] });
  const isGone = async () => !(await admin.listTopics()).includes(watermarkTopic);
  await until('the topic of the watermarks is gone', isGone);
  await admin.disconnect();
}

describe('killed', () => {
  // At every step without them: test/fault/kills.test.ts.
  it.each<DrainStep>(['setAside', 'sent', 'heldMarked', 'heldSent', 'heldSettled'])(
    'at %s, beside and amid events that are set aside',
    async (killAt) => {
      const missing = `${scene.topic}-missing`;
      await kafka.createTopic(scene.topic);
      const retry = { retries: 5, delayMs: 500 };
      scene.enqueue(100, { topic: missing });
      const first = await startRelay({ retry });
      const status = statusOf();
      await until('they are set aside', () => status.read().held === 100);
      await first.kill();
      for (let round = 0; round < 10; round += 1) {
        scene.enqueue(30);
        scene.enqueue(30, { topic: missing });
      }
      if (killAt.startsWith('held')) await kafka.createTopic(missing);
      await killRelayAt(killAt, relayOptions({ retry }), { nth: 3 });
      if (!killAt.startsWith('held')) await kafka.createTopic(missing);
      await startRelay({ retry });
      await until('all is delivered', () => status.read().delivered === 700);
      const topics = [scene.topic, missing];
      const account = await scene.account(kafka.committed, 60_000, topics);
      expect(account).toMatchObject({ ...once, delivered: 700 });
    },
  );
});

describe('a relay that is frozen beyond its lease and woken', () => {
  it.each<DrainStep>(['checked', 'sent'])('at %s, sends nothing any more', async (freezeAt) => {
    await kafka.createTopic(scene.topic);
    scene.enqueue(1_000);
    const leaseMs = 3_000;
    const sendTimeoutMs = 2_000;
    const times = { leaseMs, sendTimeoutMs };
    const nth = 4;
    const frozen = await startRelay(times, { freezeAt, nth });
    const { lane } = await until('it is frozen', () => {
      return frozen.told.find((one) => one.event === 'step' && one['times'] === nth);
    });
    const status = statusOf();
    await startRelay(times);
    await until('all is delivered', () => status.read().pending === 0);
    const before = frozen.told.length;
    frozen.thaw();
    // Kafka takes no batch of it any more, or the file no settling of one that was committed.
    const keptOut = await until('the woken one has tried, and was kept out', () => {
      const after = frozen.told.slice(before).filter((one) => one['lane'] === lane);
      return after.find(({ event }) => event === 'laneFailed' || event === 'leaseLost');
    });
    if (freezeAt === 'checked') expect(keptOut).toMatchObject({ kind: 'fenced' });
    else expect(keptOut).toMatchObject({ event: 'leaseLost' });
    scene.enqueue(500);
    await until('all is delivered', () => status.read().pending === 0);
    await enqueueLast(status);
    expect(await scene.account(kafka.committed)).toMatchObject({ ...once, delivered: 1_560 });
  });
});

describe('watermarks', () => {
  it('of a file that was restored from an older copy stop it', async () => {
    await kafka.createTopic(scene.topic);
    scene.enqueue(100);
    await scene.outbox.transaction(() => {}); // everything is in the file
    const copy = `${scene.db}.copy`;
    const relay = scene.relay(kafka.address, { delivery: 'exactly-once', batchEvents: 10 });
    copyFileSync(scene.db, copy);
    copyFileSync(`${scene.db}-wal`, `${copy}-wal`);
    await relay.start();
    await scene.drained(relay);
    await relay.stop();
    await scene.outbox.close();
    for (const end of ['', '-wal']) copyFileSync(`${copy}${end}`, `${scene.db}${end}`);
    rmSync(`${scene.db}-shm`, { force: true });
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const restored = scene.relay(kafka.address, { delivery: 'exactly-once', logger });
    const failed = new Promise((resolve) => restored.once('laneFailed', resolve));
    await restored.start();
    expect(await failed).toMatchObject({ failure: { code: 'WATERMARK_AHEAD' } });
    expect(restored.status().delivered).toBe(0);
    // An operator reads of it where operators look.
    expect(lines.join('')).toMatch(/"level":50.*"code":"WATERMARK_AHEAD".*reset-watermarks/);
    const options = { db: scene.db, brokers: [kafka.address] };
    expect(said(await diagnose(options), 'file.watermarks')).toEqual([
      expect.stringMatching(/^error: Kafka and the file tell different stories of lanes? /),
    ]);
    // And so it is in Kafka: nothing came twice.
    await restored.stop();
    const account = await scene.account(kafka.committed);
    expect(account).toMatchObject({ ...once, delivered: 100 });
  });

  it('that are gone after a kill stop it, and after a clean end do not', async () => {
    await kafka.createTopic(scene.topic);
    scene.enqueue(300);
    const status = statusOf();
    const clean = await startRelay();
    await until('all is delivered', () => status.read().pending === 0);
    await clean.stop();
    await deleteWatermarks();
    scene.enqueue(300);
    await killRelayAt('sent', relayOptions(), { nth: 3 });
    await deleteWatermarks();
    await startRelay();
    const isStopped = () => {
      return status.read().lanes.some(({ failure }) => failure?.code === 'WATERMARK_MISSING');
    };
    await until('a lane is stopped', isStopped);
    expect(status.read().delivered).toBeLessThan(600);
  });
});

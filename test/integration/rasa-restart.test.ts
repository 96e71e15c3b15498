/**
 * The strict form of Rasa's own restart test: every event of every phase must arrive, also those
 * from before the broker's first start. Then the same outage beside a stand-in of the original.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Endings } from '../../scripts/demo/endings.ts';
import { account, type Sent } from '../../scripts/rasa-compare/report.ts';
import { compare } from '../../scripts/rasa-compare/story.ts';
import { KafkaEventBroker } from '../../src/rasa/index.ts';
import { type Consumed, KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { RasaScene } from '../support/rasa.ts';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/wait.ts';

const senders = ['anna', 'bert', 'cäsar'];
const endings = new Endings();
let scene: RasaScene;
let redis: RedisServer;
let kafka: KafkaBroker | null = null;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis?.stop());
beforeEach(() => {
  scene = new RasaScene();
});
afterEach(async () => {
  await scene.close();
  await endings.endAll();
  await kafka?.stop();
  kafka = null;
});

const parse = ({ value }: Consumed) => {
  const event = JSON.parse(String(value)) as { sender_id: string; metadata: { number: number } };
  return { sender: event.sender_id, number: event.metadata.number };
};

describe('a restart of the broker', () => {
  it('loses no event of any phase and reorders none, from before the first start on', async () => {
    const port = await freePort();
    const options = { url: `127.0.0.1:${port}`, security_protocol: 'PLAINTEXT' };
    const rest = { redis_url: redis.url, outbox_path: scene.db, logger: scene.logger };
    const broker = new KafkaEventBroker({ ...options, ...rest, partition_by_sender: true });
    scene.keep(broker);
    const sent: Sent[] = [];
    const publish = async (phase: string) => {
      for (const sender of senders) {
        const number = sent.filter((one) => one.sender === sender).length + 1;
        await broker.publish({ sender_id: sender, timestamp: 1, metadata: { number } });
        sent.push({ phase, sender, number });
      }
    };

    await publish('before the first start');
    kafka = await KafkaBroker.start({ port });
    await publish('a moment before the restart');
    await kafka.container.kill();
    await publish('during the restart');
    await kafka.container.start();
    await kafka.probe();
    await publish('after the restart');

    const status = () => broker.relay?.status();
    await until('all are delivered', () => status()?.delivered === 12, { timeoutMs: 60_000 });
    const all = (records: readonly Consumed[]) => account(sent, records.map(parse)).lost === 0;
    const records = await kafka.consume('rasa_core_events', all);
    const { phases, lost, reordered, duplicated } = account(sent, records.map(parse));
    expect({ lost, reordered }).toEqual({ lost: 0, reordered: 0 });
    expect(phases.map(({ delivered }) => delivered)).toEqual([3, 3, 3, 3]);
    // At least once: what was in flight when the broker was killed may be there twice.
    expect(duplicated).toBeLessThanOrEqual(3);
    expect(new Set(records.map(({ key }) => key))).toEqual(new Set(senders));
    expect(status()).toMatchObject({ accepted: 12, pending: 0, held: 0 });
  });

  it('costs the original events in the same run, and us none', async () => {
    const said: string[] = [];
    const tell = (text: string) => void said.push(text);
    const { ours, original } = await compare({ senders: 2, events: 1, tell }, endings);
    expect(ours).toMatchObject({ sent: 10, delivered: 10, lost: 0, reordered: 0 });
    expect(original).toMatchObject({ sent: 10, reordered: 0 });
    // Its first publish without a broker, and what was in memory when its application ended.
    expect(original.lost).toBeGreaterThanOrEqual(4);
    expect(said).toContain('both applications are restarted');
  }, 240_000);
});

/** The event broker against a real Kafka and Redis, and headers on their way through. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { KafkaEventBroker, parsePythonJson, type RasaEvent } from '../../src/rasa/index.ts';
import { root } from '../support/child.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { RasaScene } from '../support/rasa.ts';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/wait.ts';

let kafka: KafkaBroker;
let redis: RedisServer;
let scene: RasaScene;
let topic: string;

beforeAll(async () => {
  [kafka, redis] = await Promise.all([KafkaBroker.start(), RedisServer.start()]);
});
afterAll(async () => {
  await kafka?.stop();
  await redis?.stop();
});
beforeEach(async () => {
  scene = new RasaScene();
  topic = `rasa-${crypto.randomUUID()}`;
  await kafka.createTopic(topic, 3);
});
afterEach(async () => {
  await scene.close();
  vi.unstubAllEnvs();
});

const golden = readFileSync(`${root}test/golden/rasa-events.jsonl`, 'utf8').trimEnd().split('\n');

describe('the event broker', () => {
  it('sends topic, key, header and bytes of Rasa’s own, by BullMQ jobs', async () => {
    vi.stubEnv('RASA_ENVIRONMENT', 'staging');
    const file = scene.write(
      'endpoints.yml',
      `event_broker:
        type: kafka
        url: ${kafka.address}
        security_protocol: PLAINTEXT
        topic: ${topic}
        client_id: bot
        partition_by_sender: true
        queue_size: 1
        outbox_path: ${scene.db}
        redis_url: ${redis.url}`,
    );
    const broker = scene.keep(await KafkaEventBroker.fromEndpointConfig(file));
    await until('it is ready', () => broker?.isReady());
    for (const line of golden) await broker?.publish(JSON.parse(line) as RasaEvent);
    const records = await kafka.consume(topic, golden.length);
    expect(records.map(({ value }) => String(value))).toEqual(golden);
    expect(new Set(records.map(({ key }) => key))).toEqual(new Set(['übung-7']));
    for (const { headers } of records) expect(headers['RASA_ENVIRONMENT']).toBe('staging');
    await until('all are settled', () => broker?.relay?.status().pending === 0);
    expect(broker?.relay?.status().deliveredByJob).toBeGreaterThan(0);
  });

  it('takes a burst of events at once, where the original’s queue of one was full', async () => {
    const { address: url } = kafka;
    const broker = new KafkaEventBroker({ ...scene.options, url, topic, queue_size: 1 });
    scene.keep(broker);
    const turns = Array.from({ length: 100 }, (_, turn) => ({ sender_id: 'a', turn }));
    await Promise.all(turns.map((event) => broker.publish(event, 1, 0)));
    const records = await kafka.consume(topic, 100);
    expect(records).toHaveLength(100);
    expect(records.every(({ key }) => key === null)).toBe(true);
  });

  it('sends what parsePythonJson has read as it was', async () => {
    const text = '{"sender_id": "a", "value": 1.0, "intent": {"id": -6262353483214346364}}';
    const broker = new KafkaEventBroker({ ...scene.options, url: kafka.address, topic });
    scene.keep(broker);
    await broker.publish(parsePythonJson(text) as RasaEvent);
    const [record] = await kafka.consume(topic, 1);
    expect(String(record?.value)).toBe(text);
  });
});

describe('headers of the caller', () => {
  it('pass through unchanged: traceparent, repeated names, bytes, empty values', async () => {
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const headers = [
      ['traceparent', trace],
      ['tracestate', 'vendor=t61rcWkgMzE,other=ü'],
      ['baggage', ''],
      ['baggage', 'user=7'],
      ['Traceparent', 'not the same name'],
    ] as const;
    const broker = new KafkaEventBroker({ ...scene.options, url: kafka.address, topic });
    scene.keep(broker);
    await broker.outbox.publish({ topic, value: 'v', headers });
    await broker.outbox.publish({ topic, value: 'v', headers: { bytes: Buffer.from([0, 9]) } });
    const records = await kafka.consume(topic, 2);
    const pairs = records.flatMap(({ headerPairs }) => headerPairs);
    const callers = pairs.filter(([name]) => !name.startsWith('outbox-'));
    const wanted = [...headers, ['bytes', '\0\t']] as [string, string][];
    expect(callers.toSorted()).toEqual(wanted.toSorted());
    expect(callers.filter(([name]) => name === 'baggage').map(([, value]) => value)).toEqual([
      '',
      'user=7',
    ]);
  });
});

/** The event broker on a Kafka in memory: what is stored, what is sent, and when it is ready. */
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openOutbox } from '../../../src/index.ts';
import { PythonFloat } from '../../../src/rasa/index.ts';
import { RasaScene } from '../../support/rasa.ts';
import { until } from '../../support/wait.ts';

let scene: RasaScene;
const said = { sender_id: 'übung', event: 'user', text: '🍕', timestamp: 1_611_230_000 };

beforeEach(() => {
  scene = new RasaScene();
  vi.stubEnv('RASA_ENVIRONMENT', undefined);
});
afterEach(async () => {
  await scene.close();
  vi.unstubAllEnvs();
});

const arrived = async (topic: string, count: number) => {
  await until(`${count} records`, () => scene.driver.recordsOf(topic).length >= count);
  return scene.driver.recordsOf(topic);
};

describe('publish', () => {
  it('is durable when it resolves, and the relay sends what Rasa would have sent', async () => {
    const broker = scene.broker();
    const result = await broker.publish(said);
    expect(scene.rows()).toHaveLength(1);
    expect(scene.rows()[0]).toMatchObject({ seq: 1, id: result.id, key: null, retries: null });
    const [record] = await arrived('rasa_core_events', 1);
    expect(String(record?.value)).toBe(
      '{"sender_id": "\\u00fcbung", "event": "user", "text": "\\ud83c\\udf55", ' +
        '"timestamp": 1611230000.0}',
    );
    expect(record?.key).toBeNull();
    const [name, value] = record?.headers[0] ?? [];
    expect([name, String(value)]).toEqual(['RASA_ENVIRONMENT', 'RASA_ENVIRONMENT_NOT_SET']);
  });

  it('resolves while Kafka is away, without a wait, and what it took arrives later', async () => {
    scene.driver.goAway();
    const broker = scene.broker({ topic: 'bot' });
    for (let turn = 1; turn <= 20; turn += 1) await broker.publish({ turn }, 1, 3_600);
    expect(scene.rows()).toHaveLength(20);
    scene.driver.comeBack();
    await arrived('bot', 20);
  });

  it('refuses what is beyond relay.bounds', async () => {
    scene.driver.goAway();
    const broker = scene.broker({ relay: { ...scene.options.relay, bounds: { events: 1 } } });
    await broker.publish({ turn: 1 });
    await expect(broker.publish({ turn: 2 })).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    expect(scene.rows()).toHaveLength(1);
  });

  it('keeps events without a key in order too, partition by partition', async () => {
    scene.driver.createTopic('bot', 1);
    const broker = scene.broker({ topic: 'bot' });
    for (let turn = 1; turn <= 100; turn += 1) await broker.publish({ turn });
    const records = await arrived('bot', 100);
    const sent = Array.from({ length: 100 }, (_, index) => `{"turn": ${index + 1}}`);
    expect(records.map(({ value }) => String(value))).toEqual(sent);
  });

  it('keeps the lanes of a file that is there', async () => {
    const outbox = openOutbox({ path: scene.db }, { lanes: 3 });
    await outbox.close();
    expect(scene.broker().outbox.identity.lanes).toBe(3);
  });

  it('keeps a sender’s events in order under partition_by_sender, its id the key', async () => {
    const broker = scene.broker({ partition_by_sender: true });
    const turns = Array.from({ length: 50 }, (_, turn) => ({ sender_id: `s${turn % 3}`, turn }));
    await Promise.all(turns.map((turn) => broker.publish(turn)));
    const records = await arrived('rasa_core_events', 50);
    for (const sender of ['s0', 's1', 's2']) {
      const its = records
        .filter(({ key }) => String(key) === sender)
        .map(({ value }) => `${value}`);
      const sent = turns.filter(({ sender_id }) => sender_id === sender);
      expect(its).toEqual(sent.map((one) => `{"sender_id": "${sender}", "turn": ${one.turn}}`));
    }
  });

  it.each<[string, object, RegExp]>([
    ['no sender_id', { event: 'user' }, /^sender_id is missing; partition_by_sender needs it/],
    ['a number as sender_id', { sender_id: 7 }, /^sender_id is not text/],
    ['undefined in it', { sender_id: 'a', text: undefined }, /^event\.text is undefined/],
    ['a list', [], /^event must be an object/],
  ])('refuses %s, and stores nothing', async (_, event, message) => {
    const broker = scene.broker({ partition_by_sender: true });
    const refused = broker.publish(event as never);
    await expect(refused).rejects.toMatchObject({ code: 'EVENT_INVALID', message });
    expect(scene.rows()).toEqual([]);
  });

  it('stores retries and delay that are not the relay’s with the event', async () => {
    const broker = scene.broker({ run_relay: false, relay: {} });
    await broker.publish(said);
    await broker.publish(said, 60, 5);
    await broker.publish(said, 3, 0.25);
    await broker.publish(said, 0);
    const stored = scene.rows().map((row) => [row['retries'], row['delay_ms']]);
    expect(stored).toEqual([
      [null, null],
      [null, null],
      [3, 250],
      [0, null],
    ]);
    const invalid = { code: 'EVENT_INVALID' };
    await expect(broker.publish(said, -1)).rejects.toMatchObject(invalid);
    await expect(broker.publish(said, 1.5)).rejects.toMatchObject(invalid);
    await expect(broker.publish(said, 1, -1)).rejects.toMatchObject(invalid);
    await expect(broker.publish(said, 1, Number.NaN)).rejects.toMatchObject(invalid);
    await expect(broker.publish(said, 1, 86_401)).rejects.toMatchObject(invalid);
  });

  it('takes a PythonFloat and a BigInt', async () => {
    const broker = scene.broker({ run_relay: false });
    await broker.publish({ value: new PythonFloat(1), id: 2n ** 63n });
    expect(String(scene.rows()[0]?.['value'])).toBe('{"value": 1.0, "id": 9223372036854775808}');
  });
});

describe('RASA_ENVIRONMENT', () => {
  it.each<[string, string | undefined, string | null]>([
    ['set', 'production', 'production'],
    ['not set', undefined, 'RASA_ENVIRONMENT_NOT_SET'],
    ['empty', '', null],
  ])('%s gives its header', async (_, set, header) => {
    vi.stubEnv('RASA_ENVIRONMENT', set);
    const broker = scene.broker({ run_relay: false });
    await broker.publish(said);
    const base64 = header && Buffer.from(header).toString('base64');
    const stored = base64 === null ? null : JSON.stringify([['RASA_ENVIRONMENT', base64]]);
    expect(scene.rows()[0]?.['headers']).toBe(stored);
    expect(broker.rasaEnvironment).toBe(header);
  });

  it('is read once, at the first look', () => {
    const broker = scene.broker({ run_relay: false });
    vi.stubEnv('RASA_ENVIRONMENT', 'first');
    expect(broker.rasaEnvironment).toBe('first');
    vi.stubEnv('RASA_ENVIRONMENT', 'second');
    expect(broker.rasaEnvironment).toBe('first');
  });
});

describe('isReady', () => {
  it('is true when Kafka has answered, without any event, false when it went away', async () => {
    const broker = scene.broker();
    expect(broker.isReady()).toBe(false); // not started yet
    await until('it is ready', () => broker.isReady());
    scene.driver.goAway();
    await broker.publish(said);
    await until('the outage is seen', () => !broker.isReady());
    scene.driver.comeBack();
    await until('it is ready again', () => broker.isReady());
  });

  it('is true at the first look when the relay has started and Kafka has answered it', async () => {
    const ask = vi.spyOn(scene.driver, 'leaders');
    const broker = scene.broker();
    await broker.start();
    await until('Kafka was asked', () => ask.mock.settledResults[0]?.type === 'fulfilled');
    expect(broker.isReady()).toBe(true);
  });

  it('is false with a Kafka that was never there, and asks again by itself', async () => {
    scene.driver.goAway();
    const broker = scene.broker();
    const states: string[] = [];
    broker.relay?.on('circuit', ({ state }) => states.push(state));
    await broker.start();
    expect(await broker.relay?.askKafka()).toBe(false);
    expect(broker.isReady()).toBe(false);
    expect(states).toEqual(['open']);
    scene.driver.comeBack();
    // Nothing is published: only the question of isReady itself can find out.
    await until('it is ready', () => broker.isReady());
    expect(states).toEqual(['open', 'closed']);
  });

  it('is false when a write has just failed', async () => {
    const broker = scene.broker({ run_relay: false });
    await broker.outbox.close();
    expect(broker.isReady()).toBe(true);
    await expect(broker.publish(said)).rejects.toMatchObject({ code: 'OUTBOX_CLOSED' });
    expect(broker.isReady()).toBe(false);
  });

  it('is true when an event was refused: others are taken', async () => {
    const broker = scene.broker({ run_relay: false });
    const large = broker.publish({ text: 'x'.repeat(1_000_000) });
    await expect(large).rejects.toMatchObject({ code: 'EVENT_TOO_LARGE' });
    expect(broker.isReady()).toBe(true);
  });

  it('is false when the file is gone, and after close', async () => {
    const broker = scene.broker({ run_relay: false });
    expect(broker.isReady()).toBe(true);
    rmSync(scene.db);
    expect(broker.isReady()).toBe(false);
    const other = scene.broker({ run_relay: false, outbox_path: scene.path('other.db') });
    expect(other.isReady()).toBe(true);
    await other.close();
    expect(other.isReady()).toBe(false);
  });
});

describe('close', () => {
  it('delivers what waits while Kafka answers', async () => {
    const broker = scene.broker();
    for (let turn = 0; turn < 100; turn += 1) void broker.publish({ turn });
    await broker.close();
    expect(scene.driver.recordsOf('rasa_core_events')).toHaveLength(100);
    await broker.close();
    await expect(broker.publish(said)).rejects.toMatchObject({ code: 'OUTBOX_CLOSED' });
  });

  it('leaves the rows to the next broker when Kafka does not answer', async () => {
    scene.driver.goAway();
    const broker = scene.broker();
    await broker.publish(said);
    await broker.close();
    expect(scene.rows()).toHaveLength(1);
    scene.driver.comeBack();
    scene.broker();
    await arrived('rasa_core_events', 1);
  });
});

describe('logging', () => {
  it.each<[string | number, string[]]>([
    ['DEBUG', ['debug', 'info', 'warn']],
    [10, ['debug', 'info', 'warn']],
    ['20', ['info', 'warn']],
    ['WARNING', ['warn']],
    ['error', []],
    [50, []],
  ])('at loglevel %s says no more than that, and never an event', async (loglevel, levels) => {
    const broker = scene.broker({ loglevel, partition_by_sender: true });
    await broker.publish({ ...said, sender_id: 'secret-sender', text: 'secret-text' });
    await arrived('rasa_core_events', 1);
    scene.driver.goAway();
    await broker.publish({ ...said, sender_id: 'secret-sender', text: 'secret-text' });
    await until('the outage is seen', () => !broker.isReady());
    await broker.close();
    expect([...new Set(scene.lines.map(({ level }) => level))].toSorted()).toEqual(levels);
    expect(JSON.stringify(scene.lines)).not.toContain('secret');
  });

  it('tells of options that mean nothing here, whatever the loglevel', () => {
    const broker = scene.broker({ run_relay: false, loglevel: 'CRITICAL', queue_size: 1, typo: 2 });
    expect(broker.unknownOptions).toEqual(['queue_size', 'typo']);
    expect(scene.lines).toEqual([
      {
        level: 'warn',
        facts: { unknownOptions: ['queue_size', 'typo'] },
        message: 'options without a meaning here',
      },
    ]);
  });
});

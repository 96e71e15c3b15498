/** What the relay does when a topic, or a partition of it, takes no events. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SendFailure, SinkRecord } from '../../../src/sink/driver.ts';
import { type BenchOptions, failure, keyed, RelayBench } from '../../support/relay-bench.ts';

let bench: RelayBench;
const options: BenchOptions = { retry: { retries: 3, delayMs: 10_000 } };

beforeEach(() => {
  bench = new RelayBench(options);
});
afterEach(async () => {
  await bench.stop();
  expect(bench.clock.pendingTimers).toBe(0);
});

const stops = () => bench.sql('SELECT * FROM outbox_stops') as Record<string, unknown>[];

/** Refuses every send with such a record. */
function refuseWhere(is: (record: SinkRecord) => boolean, why: SendFailure) {
  bench.driver.interceptSends(async (records) => (records.some(is) ? why : null));
}

describe('a topic that takes nothing', () => {
  const unauthorised = failure('refused-topic', 'TOPIC_AUTHORIZATION_FAILED');

  it('is stopped; the others flow, and nothing of it spends attempts', async () => {
    const stopped = bench.listen('topicStopped');
    refuseWhere(({ topic }) => topic === 'secret', unauthorised);
    bench.appendKeyed('secret', ...keyed('a', 'b'));
    bench.appendKeyed('orders', ...keyed('a', 'b'));
    bench.appendKeyed('secret', 'a:3');
    await bench.core.start();
    await bench.clock.advance(60_000);
    expect(bench.written('orders')).toEqual(['a:1', 'b:2']);
    expect(bench.held('seq, state, attempts')).toEqual(
      [1, 2, 5].map((seq) => ({ seq, state: 'blocked', attempts: 0 })),
    );
    expect(stopped).toMatchObject([{ topic: 'secret', partition: null }]);
    expect(stops()).toMatchObject([{ code: 'TOPIC_AUTHORIZATION_FAILED', draining: 0 }]);
  });

  it('is asked with one event, and what waited goes first when it is taken', async () => {
    let closed = true;
    let late = false;
    const sends: string[][] = [];
    bench.driver.interceptSends(async (records) => {
      const secret = records.filter(({ topic }) => topic === 'secret');
      if (secret.length > 0) sends.push(secret.map(({ value }) => String(value)));
      // While what waited is on its way: behind it.
      if (!closed && !late) bench.appendKeyed('secret', 'k0:32');
      late = !closed;
      return closed && secret.length > 0 ? unauthorised : null;
    });
    const values = keyed(...Array.from({ length: 30 }, (_, index) => `k${index % 3}`));
    bench.appendKeyed('secret', ...values);
    await bench.core.start();
    await bench.clock.advance(30_000);
    const tries = sends.slice(1);
    expect(tries.length).toBeGreaterThanOrEqual(3);
    expect(tries.length).toBeLessThanOrEqual(8);
    for (const sent of tries) expect(sent).toEqual(['k0:1']);
    closed = false;
    bench.appendKeyed('secret', 'k0:31');
    await bench.clock.advance(11_000);
    const written = bench.written('secret');
    for (const key of ['k0', 'k1', 'k2']) {
      const own = (all: readonly string[]) => all.filter((text) => text.startsWith(key));
      expect(own(written)).toEqual(own([...values, 'k0:31', 'k0:32']));
    }
    expect(stops()).toEqual([]);
    expect(bench.store.summary()).toMatchObject({ held: 0, pending: 0, delivered: 32 });
  });

  it('is waited for, for two seconds, when it may only be new', async () => {
    bench.driver.createTopic('orders', 3);
    let missing = true;
    const leaders = bench.driver.prepare.bind(bench.driver);
    bench.driver.prepare = async (topics) => {
      const answer = await leaders(topics);
      if (!missing || answer.kind !== 'answered' || !topics.includes('late')) return answer;
      const no = { ...failure('refused-topic', 'UNKNOWN_TOPIC_OR_PARTITION'), topic: 'late' };
      return { kind: 'answered', topics: new Map([...answer.topics, ['late', no]]) };
    };
    bench.appendKeyed('late', 'a:1');
    bench.appendKeyed('orders', 'a:2');
    await bench.core.start();
    await bench.clock.advance(1_500);
    expect(stops()).toEqual([]);
    expect(bench.store.readLane(0).failure).toMatchObject({ topic: 'late' });
    await bench.clock.advance(3_000);
    expect(stops()).toMatchObject([{ topic: 'late', partition: -1 }]);
    expect(bench.written('orders')).toEqual(['a:2']);
    missing = false;
    await bench.clock.advance(10_000);
    expect(bench.written('late')).toEqual(['a:1']);
  });

  it('by one partition holds only that partition’s events', async () => {
    bench.driver.createTopic('orders', 3);
    let away = true;
    bench.driver.interceptSends(async (records) => {
      const hit = records.some(({ partition }) => partition === 1);
      return away && hit ? failure('partition-away', 'NOT_LEADER_OR_FOLLOWER') : null;
    });
    for (let n = 1; n <= 12; n += 1) bench.appendTo('orders', n % 3, `${n}`);
    await bench.core.start();
    await bench.clock.advance(8_000);
    const others = ['2', '3', '5', '6', '8', '9', '11', '12'];
    expect([...new Set(bench.written('orders'))].sort()).toEqual([...others].sort());
    expect(stops()).toMatchObject([{ topic: 'orders', partition: 1 }]);
    expect(bench.held('seq, partition, attempts')).toEqual(
      [1, 4, 7, 10].map((seq) => ({ seq, partition: 1, attempts: 0 })),
    );
    away = false;
    await bench.clock.advance(3_000);
    const ofOne = bench.driver.recordsOf('orders').filter(({ partition }) => partition === 1);
    expect(ofOne.map(({ value }) => String(value))).toEqual(['1', '4', '7', '10']);
    expect(stops()).toEqual([]);
  });

  it('and a refused record of it go each their way', async () => {
    let closed = true;
    const bad = new Set(['b:2']);
    bench.driver.interceptSends(async (records) => {
      if (closed) return unauthorised;
      const hit = records.some(({ value }) => bad.has(String(value)));
      return hit ? failure('refused-record', 'INVALID_RECORD') : null;
    });
    bench.appendKeyed('secret', ...keyed('a', 'b', 'b', 'c'));
    await bench.core.start();
    await bench.clock.advance(5_000);
    closed = false;
    await bench.clock.advance(8_000);
    expect(bench.written('secret')).toEqual(['a:1', 'c:4']);
    expect(bench.held('seq, state, code')).toMatchObject([
      { seq: 2, state: 'retrying', code: 'INVALID_RECORD' },
      { seq: 3, state: 'blocked' },
    ]);
    expect(stops()).toEqual([]);
    bad.clear();
    await bench.clock.advance(11_000);
    expect(bench.written('secret')).toEqual(['a:1', 'c:4', 'b:2', 'b:3']);
  });
});

describe('a pause', () => {
  it('of a lane keeps its events in the log, and of a topic sets them aside', async () => {
    await bench.core.start();
    bench.sql("INSERT INTO outbox_pauses (topic, since) VALUES ('quiet', 0)");
    bench.sql('UPDATE outbox_lanes SET held_revision = held_revision + 1');
    bench.appendKeyed('quiet', 'a:1');
    bench.appendKeyed('orders', 'a:2');
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['a:2']);
    expect(bench.written('quiet')).toEqual([]);
    expect(stops()).toMatchObject([{ topic: 'quiet', code: 'PAUSED', draining: 0 }]);
    bench.sql('UPDATE outbox_lanes SET paused = 1');
    bench.appendKeyed('orders', 'a:3');
    await bench.clock.advance(60_000);
    expect(bench.store.summary()).toMatchObject({ pending: 1, held: 1, delivered: 1 });
    bench.sql('UPDATE outbox_lanes SET paused = 0, held_revision = held_revision + 1');
    bench.sql('DELETE FROM outbox_pauses');
    bench.sql('UPDATE outbox_stops SET next_attempt_at = 0');
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['a:2', 'a:3']);
    expect(bench.written('quiet')).toEqual(['a:1']);
    expect(stops()).toEqual([]);
  });
});

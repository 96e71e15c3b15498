/** What the relay does when Kafka answers and says no to one event. */
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

/** Refuses every send that has one of these values in it, while the set has them. */
function refuseValues(bad: ReadonlySet<string>, kind: SendFailure['kind'] = 'refused-record') {
  const sends: string[][] = [];
  bench.driver.interceptSends(async (records) => {
    sends.push(records.map(({ value }) => String(value)));
    const found = records.some(({ value }) => bad.has(String(value)));
    return found ? failure(kind, kind === 'bug' ? 'TypeError' : 'MESSAGE_TOO_LARGE') : null;
  });
  return sends;
}

/** Refuses every send with such a record. */
function refuseWhere(is: (record: SinkRecord) => boolean, why: SendFailure) {
  bench.driver.interceptSends(async (records) => (records.some(is) ? why : null));
}

describe('a refused record', () => {
  it('is found by halving and held; its key waits, the rest of the lane flows', async () => {
    const refused = bench.listen('refused');
    refuseValues(new Set(['b:2']));
    bench.appendKeyed('orders', ...keyed('a', 'b', 'a', 'b', 'c', 'b', 'a'));
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(bench.written('orders').sort()).toEqual(['a:1', 'a:3', 'a:7', 'c:5']);
    expect(bench.held('seq, state, attempts, code')).toEqual([
      { seq: 2, state: 'retrying', attempts: 1, code: 'MESSAGE_TOO_LARGE' },
      { seq: 4, state: 'blocked', attempts: 0, code: null },
      { seq: 6, state: 'blocked', attempts: 0, code: null },
    ]);
    expect(bench.store.summary()).toMatchObject({ held: 3, delivered: 4, pending: 0 });
    expect(bench.store.readLane(0)).toMatchObject({ cursor: 7, failure: null });
    expect(refused).toMatchObject([{ seq: 2, topic: 'orders', attempts: 1, dead: false }]);
  });

  it('goes with its key, in order, when Kafka takes it', async () => {
    const bad = new Set(['b:2']);
    refuseValues(bad);
    bench.appendKeyed('orders', ...keyed('a', 'b', 'b', 'b'));
    await bench.core.start();
    await bench.clock.advance(9_000);
    bench.appendKeyed('orders', 'b:5', 'a:6');
    bad.clear();
    await bench.clock.advance(2_000);
    expect(bench.written('orders')).toEqual(['a:1', 'a:6', 'b:2', 'b:3', 'b:4', 'b:5']);
    expect(bench.held('seq')).toEqual([]);
    bench.appendKeyed('orders', 'b:7');
    await bench.clock.advance(1_000);
    expect(bench.written('orders').at(-1)).toBe('b:7');
    expect(bench.store.summary()).toMatchObject({ held: 0, delivered: 7, pending: 0 });
  });

  it('is dead after its retries, the delay apart, and keeps its key waiting', async () => {
    const refused = bench.listen('refused');
    const sends = refuseValues(new Set(['b:2']));
    bench.appendKeyed('orders', ...keyed('a', 'b', 'b'));
    await bench.core.start();
    await bench.clock.advance(29_000);
    expect(refused.map(({ attempts, dead }) => [attempts, dead])).toEqual([
      [1, false],
      [2, false],
      [3, false],
    ]);
    await bench.clock.advance(2_000);
    expect(refused.at(-1)).toMatchObject({ attempts: 4, dead: true });
    const tries = sends.length;
    await bench.clock.advance(120_000);
    expect(sends).toHaveLength(tries);
    expect(bench.held('seq, state, attempts')).toEqual([
      { seq: 2, state: 'dead', attempts: 4 },
      { seq: 3, state: 'blocked', attempts: 0 },
    ]);
  });

  it('lets its key go on when it is dead and may not block', async () => {
    await bench.stop();
    bench = new RelayBench({ ...options, order: 'continue' });
    refuseValues(new Set(['b:2']));
    bench.appendKeyed('orders', ...keyed('a', 'b', 'b', 'b'));
    await bench.core.start();
    await bench.clock.advance(32_000);
    expect(bench.written('orders')).toEqual(['a:1', 'b:3', 'b:4']);
    bench.appendKeyed('orders', 'b:5');
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['a:1', 'b:3', 'b:4', 'b:5']);
    expect(bench.held('seq, state')).toEqual([{ seq: 2, state: 'dead' }]);
  });

  it('has a budget of its own when the event says so', async () => {
    const refused = bench.listen('refused');
    refuseValues(new Set(['b:1', 'c:2']));
    bench.appendKeyed('orders', 'b:1', 'c:2');
    bench.sql('UPDATE outbox_events SET retries = 0 WHERE seq = 1');
    bench.sql('UPDATE outbox_events SET retries = 1, delay_ms = 500 WHERE seq = 2');
    await bench.core.start();
    await bench.clock.advance(2_000);
    expect(refused.map(({ seq, dead }) => [seq, dead])).toEqual([
      [1, true],
      [2, false],
      [2, true],
    ]);
  });

  it('without an order holds up nobody', async () => {
    refuseValues(new Set(['2']));
    for (const value of ['1', '2', '3']) bench.appendKeyless('orders', value);
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(bench.written('orders').sort()).toEqual(['1', '3']);
    expect(bench.held('seq, state, order_key')).toEqual([
      { seq: 2, state: 'retrying', order_key: null },
    ]);
  });

  it('that was never sent is held too: a row of another writer in the wrong lane', async () => {
    await bench.stop();
    bench = new RelayBench({ ...options, lanes: 4 });
    bench.appendKeyed('orders', ...keyed('a', 'a'));
    bench.sql('UPDATE outbox_events SET lane = (lane + 1) % 4 WHERE seq = 1');
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['a:2']);
    expect(bench.held('seq, state, code')).toEqual([
      { seq: 1, state: 'retrying', code: 'LANE_MISMATCH' },
    ]);
  });

  it('is left to the next relay, which goes on where this one ended', async () => {
    const bad = new Set(['b:2']);
    refuseValues(bad);
    bench.appendKeyed('orders', ...keyed('a', 'b', 'b'));
    await bench.core.start();
    await bench.clock.advance(5_000);
    const next = new RelayBench({ ...options, beside: bench });
    await bench.stop();
    bench = next;
    await bench.core.start();
    bench.appendKeyed('orders', 'b:4');
    await bench.clock.advance(1_000);
    expect(bench.held('seq, attempts')).toMatchObject([{ attempts: 1 }, {}, { seq: 4 }]);
    bad.clear();
    await bench.clock.advance(9_000);
    expect(bench.written('orders')).toEqual(['a:1', 'b:2', 'b:3', 'b:4']);
  });

  it('keeps its attempts through an outage', async () => {
    const bad = new Set(['b:2']);
    refuseValues(bad);
    bench.appendKeyed('orders', ...keyed('a', 'b'));
    await bench.core.start();
    await bench.clock.advance(1_000);
    bench.driver.goAway();
    await bench.clock.advance(600_000);
    expect(bench.held('attempts, state')).toEqual([{ attempts: 1, state: 'retrying' }]);
    bench.driver.comeBack();
    bad.clear();
    await bench.clock.advance(12_000);
    expect(bench.written('orders')).toEqual(['a:1', 'b:2']);
  });
});

describe('a dead event', () => {
  it('has a copy in the dead-letter topic, with where from and why', async () => {
    await bench.stop();
    const retry = { retries: 1, delayMs: 1_000 };
    bench = new RelayBench({ retry, deadLetterTopic: 'dead' });
    refuseWhere(
      ({ topic, value }) => topic === 'orders' && String(value) === 'b:1',
      failure('refused-record', 'MESSAGE_TOO_LARGE'),
    );
    bench.appendKeyed('orders', 'b:1', 'b:2');
    await bench.core.start();
    await bench.clock.advance(3_000);
    expect(bench.written('dead')).toEqual(['b:1']);
    const [copy] = bench.driver.recordsOf('dead');
    const headers = Object.fromEntries(copy?.headers.map(([n, v]) => [n, String(v)]) ?? []);
    expect(headers).toMatchObject({
      'outbox-dead-topic': 'orders',
      'outbox-dead-seq': '1',
      'outbox-dead-code': 'MESSAGE_TOO_LARGE',
      'outbox-dead-attempts': '2',
    });
    const [first, last] = ['first', 'last'].map((n) =>
      Number(headers[`outbox-dead-${n}-failed-at`]),
    );
    expect(Number(last) - Number(first)).toBeGreaterThanOrEqual(1_000);
    await bench.clock.advance(60_000);
    expect(bench.written('dead')).toEqual(['b:1']);
    expect(bench.held('seq, state, next_attempt_at')).toEqual([
      { seq: 1, state: 'dead', next_attempt_at: null },
      { seq: 2, state: 'blocked', next_attempt_at: null },
    ]);
  });

  it('whose copy is refused stays dead, is told, and is copied later', async () => {
    await bench.stop();
    bench = new RelayBench({ retry: { retries: 0, delayMs: 5_000 }, deadLetterTopic: 'dead' });
    const warnings = bench.listen('warning');
    let refuseCopies = true;
    bench.driver.interceptSends(async ([record]) => {
      const no = record?.topic === 'orders' || refuseCopies;
      return no ? failure('refused-record', 'MESSAGE_TOO_LARGE') : null;
    });
    bench.appendKeyed('orders', 'b:1');
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(warnings).toMatchObject([{ code: 'DEAD_LETTER_REFUSED' }]);
    refuseCopies = false;
    await bench.clock.advance(6_000);
    expect(bench.written('dead')).toEqual(['b:1']);
    expect(bench.held('state')).toEqual([{ state: 'dead' }]);
  });
});

describe('a defect', () => {
  it('of one event is tried again as a whole, then held, and never dead by count', async () => {
    const circuit = bench.listen('circuit');
    const failed = bench.listen('laneFailed');
    refuseValues(new Set(['b:2']), 'bug');
    bench.appendKeyed('orders', ...keyed('a', 'b', 'a', 'b'));
    await bench.core.start();
    await bench.clock.advance(120_000);
    expect(failed).toMatchObject([{ failure: { kind: 'bug', seq: 2 } }]);
    expect(bench.written('orders')).toEqual(['a:1', 'a:3']);
    const [held] = bench.held('seq, state, attempts');
    expect(held).toMatchObject({ seq: 2, state: 'retrying' });
    expect(held?.['attempts']).toBeGreaterThan(4);
    expect(circuit).toEqual([]);
  });
});

describe('a wait', () => {
  it('that a clock set back has put far away is cut short by the running relay', async () => {
    const bad = new Set(['b:1']);
    refuseValues(bad);
    bench.appendKeyed('orders', 'b:1');
    await bench.core.start();
    await bench.clock.advance(1_000);
    bench.clock.jumpWall(-3_600_000);
    bad.clear();
    await bench.clock.advance(1_500);
    expect(bench.written('orders')).toEqual(['b:1']);
  });

  it('that a clock set back has put far away is cut short by the next relay', async () => {
    const bad = new Set(['b:1']);
    refuseValues(bad);
    bench.appendKeyed('orders', 'b:1');
    await bench.core.start();
    await bench.clock.advance(1_000);
    const next = new RelayBench({ ...options, beside: bench });
    await bench.stop();
    bench = next;
    bench.clock.jumpWall(-3_600_000);
    bad.clear();
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['b:1']);
  });
});

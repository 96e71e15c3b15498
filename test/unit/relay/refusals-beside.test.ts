/** Held events, and what happens beside them: operators' acts, timeouts, outages, more refusals. */
import { afterEach, expect, it } from 'vitest';
import type { ActVerb } from '../../../src/outbox/operator.ts';
import type { SendFailure, SinkRecord } from '../../../src/sink/driver.ts';
import { encodedEvent } from '../../support/encoded.ts';
import { type BenchOptions, failure, RelayBench } from '../../support/relay-bench.ts';

let bench: RelayBench;

afterEach(async () => {
  await bench.stop();
  expect(bench.clock.pendingTimers).toBe(0);
});

const tooLarge = failure('refused-record', 'MESSAGE_TOO_LARGE');
const timedOut = failure('unknown', 'REQUEST_TIMED_OUT');
const states = () => bench.sql('SELECT seq, state FROM outbox_held ORDER BY seq');
const has = (records: readonly SinkRecord[], ...values: string[]) =>
  records.some(({ value }) => values.includes(String(value)));

/** A relay that runs; `answer` says what becomes of a send, `null`: it is written. */
async function start(
  options: BenchOptions,
  answer: (records: readonly SinkRecord[]) => SendFailure | null,
): Promise<void> {
  bench = new RelayBench(options);
  bench.driver.interceptSends(async (records) => answer(records));
  await bench.core.start();
}

function act(verb: ActVerb, seq: number): void {
  const operator = bench.outbox.openOperator();
  operator.act({
    verb,
    filter: { seqs: [seq] },
    limit: 1,
    actor: 'ann',
    reason: 'r',
    dryRun: false,
  });
  operator.close();
}

it.each(['skip', 'purge'] as const)(
  '%s of a head while a batch is sent leaves no event of its key behind',
  async (verb) => {
    let during = () => {};
    await start({ retry: { retries: 3, delayMs: 10_000 } }, (records) => {
      if (has(records, 'a:1')) during();
      return has(records, 'b:1') ? tooLarge : null;
    });
    bench.appendKeyed('orders', 'b:1');
    await bench.clock.advance(1_000);
    during = () => act(verb, 1);
    bench.appendKeyed('orders', 'a:1', 'b:2');
    await bench.clock.advance(2_000);
    bench.appendKeyed('orders', 'b:3');
    await bench.clock.advance(2_000);
    expect(bench.written('orders')).toEqual(['a:1', 'b:2', 'b:3']);
  },
);

it('an event that is redriven while its copy is sent keeps its place', async () => {
  let isBad = true;
  await start({ retry: { retries: 0 }, deadLetterTopic: 'dead' }, (records) => {
    if (records[0]?.topic === 'dead' && isBad) {
      isBad = false;
      act('redrive', 1);
    }
    return isBad && has(records, 'b:1') ? tooLarge : null;
  });
  bench.appendKeyed('orders', 'b:1');
  await bench.clock.advance(1_000);
  bench.appendKeyed('orders', 'b:2');
  await bench.clock.advance(2_000);
  expect(bench.written('orders')).toEqual(['b:1', 'b:2']);
});

it('an event that is skipped while its copy is refused is never due again', async () => {
  await start({ retry: { retries: 0, delayMs: 1_000 }, deadLetterTopic: 'dead' }, (records) => {
    if (records[0]?.topic !== 'dead') return has(records, 'b:1') ? tooLarge : null;
    const [row] = bench.sql('SELECT state FROM outbox_held') as { state: string }[];
    if (row?.state === 'dead') act('skip', 1);
    return tooLarge;
  });
  bench.appendKeyed('orders', 'b:1');
  await bench.clock.advance(500);
  expect(states()).toEqual([{ seq: 1, state: 'skipped' }]);
  expect(bench.store.nextDueAtMs()).toBe(null);
});

it.each([timedOut, failure('outage', 'KafkaJSConnectionClosedError')])(
  'a dead-letter topic that answers $code holds up nobody',
  async (why) => {
    await start({ retry: { retries: 0, delayMs: 1_000 }, deadLetterTopic: 'dead' }, (records) => {
      if (records[0]?.topic === 'dead') return why;
      return has(records, 'b:1') ? tooLarge : null;
    });
    bench.appendKeyed('orders', 'b:1');
    await bench.clock.advance(2_000);
    bench.appendKeyed('other', 'x:1', 'y:2');
    await bench.clock.advance(5_000);
    expect(bench.written('other').toSorted()).toEqual(['x:1', 'y:2']);
    expect(states()).toEqual([{ seq: 1, state: 'dead' }]);
  },
);

it('a held event whose topic times out holds up nobody else, and costs it no attempt', async () => {
  let answer = tooLarge;
  await start({ retry: { retries: 100, delayMs: 1_000 } }, (records) => {
    return has(records, 'b:1') ? answer : null;
  });
  bench.appendKeyed('orders', 'b:1');
  await bench.clock.advance(500);
  answer = timedOut;
  await bench.clock.advance(2_000);
  const attempts = () => bench.sql('SELECT attempts FROM outbox_held');
  const before = attempts();
  bench.appendKeyed('other', 'x:1', 'y:2');
  await bench.clock.advance(5_000);
  expect(bench.written('other').toSorted()).toEqual(['x:1', 'y:2']);
  await bench.clock.advance(60_000);
  expect(attempts()).toEqual(before);
});

it.each(['redrive', 'skip'] as const)(
  'nothing passes a dead event when an earlier one of its key is sent again, then %s',
  async (verb) => {
    const bad = new Set(['b:1', 'b:2']);
    await start({ retry: { retries: 1, delayMs: 300 } }, (records) => {
      return has(records, ...bad) ? tooLarge : null;
    });
    bench.appendKeyed('orders', 'b:1', 'b:2', 'b:3');
    await bench.clock.advance(500);
    act('skip', 1);
    await bench.clock.advance(1_000);
    if (verb === 'redrive') bad.delete('b:1');
    act('redrive', 1);
    await bench.clock.advance(100);
    if (verb === 'skip') act('skip', 1); // while it is tried
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(verb === 'redrive' ? ['b:1'] : []);
    expect(states()).toContainEqual({ seq: 2, state: 'dead' });
    expect(states()).toContainEqual({ seq: 3, state: 'blocked' });
  },
);

it('with order continue the next goes on when an operator takes the tried one out', async () => {
  const bad = new Set(['b:1', 'b:2']);
  const options = { order: 'continue', retry: { retries: 1, delayMs: 10_000 } } as const;
  await start(options, (records) => (has(records, ...bad) ? tooLarge : null));
  bench.appendKeyed('orders', 'b:1', 'b:2', 'b:3');
  await bench.clock.advance(11_000); // b:1 is dead, b:2 is tried, b:3 waits behind it
  act('skip', 2);
  await bench.clock.advance(1_000);
  expect(bench.written('orders')).toEqual(['b:3']);
});

it('what cannot be sent as it stands does not pass those before it when a stop ends', async () => {
  let isStopped = true;
  await start({ retry: { retries: 0, delayMs: 1_000 } }, (records) => {
    return isStopped && records.some(({ topic }) => topic === 'orders')
      ? failure('refused-topic', 'TOPIC_AUTHORIZATION_FAILED')
      : null;
  });
  bench.driver.createTopic('orders', 3);
  const event = (value: string, partition: number) => {
    const key = Buffer.from('k');
    return encodedEvent({ topic: 'orders', key, partition, value: Buffer.from(value) });
  };
  bench.outbox.appender.append([event('1', 0), event('2', 0), event('3', 7), event('4', 0)]);
  await bench.clock.advance(500);
  isStopped = false;
  await bench.clock.advance(60_000);
  expect(bench.written('orders')).toEqual(['1', '2']);
  expect(states()).toEqual([
    { seq: 3, state: 'dead' },
    { seq: 4, state: 'blocked' },
  ]);
});

it('a key has one head, whatever is wrong with its events', async () => {
  await start({ retry: { retries: 3, delayMs: 60_000 } }, () => tooLarge);
  bench.driver.createTopic('orders', 3);
  const event = (value: string, partition: number) => {
    const key = Buffer.from('k');
    return encodedEvent({ topic: 'orders', key, partition, value: Buffer.from(value) });
  };
  bench.outbox.appender.append([event('1', 0), event('2', 7)]);
  await bench.clock.advance(1_000);
  expect(states()).toEqual([
    { seq: 1, state: 'retrying' },
    { seq: 2, state: 'blocked' },
  ]);
});

it('what an ended stop held goes soon after an outage, whatever the delay', async () => {
  let sends = 0;
  let isStopped = true;
  await start({ retry: { retries: 5, delayMs: 600_000 }, batchEvents: 2 }, () => {
    if (isStopped) return failure('refused-topic', 'TOPIC_AUTHORIZATION_FAILED');
    sends += 1;
    if (sends !== 2) return null;
    bench.driver.goAway();
    return failure('outage', 'ECONNRESET');
  });
  bench.driver.createTopic('orders', 1);
  bench.appendKeyed('orders', ...Array.from({ length: 20 }, (_, at) => `k${at}:${at}`));
  await bench.clock.advance(3_000);
  isStopped = false;
  await bench.clock.advance(31_000);
  expect(bench.written('orders').length).toBeLessThan(20);
  bench.driver.comeBack();
  await bench.clock.advance(2_000);
  expect(bench.written('orders')).toHaveLength(20);
});

it('a clock that is set back does not keep an old stop from being asked', async () => {
  let isStopped = true;
  await start({ retry: { retries: 1, delayMs: 5_000 } }, () => {
    return isStopped ? failure('refused-topic', 'TOPIC_AUTHORIZATION_FAILED') : null;
  });
  bench.driver.createTopic('orders', 1);
  bench.appendKeyed('orders', 'k:1');
  await bench.clock.advance(400_000);
  bench.clock.jumpWall(-300_000);
  isStopped = false;
  await bench.clock.advance(60_000);
  expect(bench.written('orders')).toEqual(['k:1']);
});

it('with order continue nothing passes what goes on behind one that is dead at once', async () => {
  let failures = 1;
  await start({ order: 'continue', retry: { retries: 0 }, batchEvents: 2 }, (records) => {
    return has(records, 'a:2') && failures-- > 0 ? timedOut : null;
  });
  for (const [text, partition] of [
    ['a:1', 99],
    ['a:2', null],
    ['a:3', null],
  ] as const) {
    const [key, value] = [Buffer.from('a'), Buffer.from(text)];
    bench.outbox.appender.append([encodedEvent({ topic: 'orders', partition, key, value })]);
  }
  await bench.clock.advance(30_000);
  expect(failures).toBe(-1);
  expect(bench.written('orders')).toEqual(['a:2', 'a:3']);
});

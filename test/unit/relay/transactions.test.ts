/** `delivery: 'exactly-once'` beside commits that nobody hears of, and marks that are gone. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOperator } from '../../../src/outbox-file.ts';
import type { SendFailure } from '../../../src/sink/driver.ts';
import type { CommitFault } from '../../../src/sink/memory-transactions.ts';
import { type BenchOptions, RelayBench } from '../../support/relay-bench.ts';

const options: BenchOptions = {
  delivery: 'exactly-once',
  batchEvents: 4,
  retry: { retries: 3, delayMs: 10_000 },
};
const dayMs = 24 * 3_600_000;
let bench: RelayBench;
/** Of the next commits that bring records. */
let faults: CommitFault[];
/** Values that Kafka refuses. */
let bad: Set<string>;
/** Kafka goes away with the fault. */
let isLast: boolean;

beforeEach(() => {
  bench = new RelayBench(options);
  faults = [];
  isLast = false;
  bad = new Set();
  let withRecords = false;
  bench.driver.interceptSends(async (records) => {
    withRecords = true;
    const found = records.some(({ value }) => bad.has(String(value)));
    return found ? refusal : null;
  });
  bench.driver.interceptCommits(() => {
    const fault = withRecords ? faults.shift() : undefined;
    withRecords = false;
    if (fault !== undefined && isLast) bench.driver.goAway();
    return fault ?? null;
  });
});
afterEach(async () => {
  await bench.stop();
  expect(bench.clock.pendingTimers).toBe(0);
});

const refusal: SendFailure = {
  kind: 'refused-record',
  code: 'MESSAGE_TOO_LARGE',
  message: 'too large',
  topic: null,
  cause: null,
};
const held = () => bench.sql('SELECT seq, state FROM outbox_held ORDER BY seq');
const open = () => (bench.sql('SELECT open FROM outbox_lanes') as { open: number }[])[0]?.open;

/** Another relay on the same file, when the first has stopped. */
async function restart(given: BenchOptions = {}): Promise<void> {
  await bench.stop();
  bench.driver.comeBack();
  bench = new RelayBench({ ...options, ...given, beside: bench });
  await bench.core.start();
}

describe('a commit of the log', () => {
  it.each<CommitFault>(['unheard', 'lost'])('that is %s brings each event once', async (fault) => {
    faults = [fault];
    bench.appendKeyed('orders', 'a:1', 'b:2', 'a:3', 'b:4', 'a:5');
    await bench.core.start();
    await bench.clock.advance(15_000);
    expect(bench.written('orders').sort()).toEqual(['a:1', 'a:3', 'a:5', 'b:2', 'b:4']);
    expect(bench.store.summary()).toMatchObject({ delivered: 5, pending: 0, held: 0 });
  });

  it.each<CommitFault>(['unheard', 'lost'])(
    'that is %s is settled by the next relay when its own has ended',
    async (fault) => {
      faults = [fault];
      isLast = true;
      bench.appendKeyed('orders', 'a:1', 'b:2');
      const failed = bench.listen('laneFailed');
      await bench.core.start();
      await bench.clock.advance(500);
      expect(failed[0]).toMatchObject({ failure: { kind: 'unknown' } });
      await bench.stop();
      expect(open()).toBe(1);
      await restart();
      await bench.clock.advance(1_000);
      expect(bench.written('orders')).toEqual(['a:1', 'b:2']);
      expect(bench.store.readLane(0)).toMatchObject({ cursor: 2, failures: 0, failure: null });
      await restart();
      expect(open()).toBe(0);
    },
  );

  it.each<CommitFault>(['unheard', 'lost'])(
    'that is %s keeps what it sets aside to its key',
    async (fault) => {
      bad.add('b:1');
      bench.appendKeyed('orders', 'b:1');
      await bench.core.start();
      await bench.clock.advance(1_000);
      faults = [fault];
      bench.appendKeyed('orders', 'a:2', 'b:3', 'a:4');
      await bench.clock.advance(1_000);
      bad.clear();
      await bench.clock.advance(30_000);
      expect(bench.written('orders').filter((text) => text.startsWith('a'))).toEqual([
        'a:2',
        'a:4',
      ]);
      expect(bench.written('orders').filter((text) => text.startsWith('b'))).toEqual([
        'b:1',
        'b:3',
      ]);
      expect(bench.store.summary()).toMatchObject({ delivered: 4, pending: 0, held: 0 });
    },
  );
});

describe('a commit of held events', () => {
  it.each<CommitFault>(['unheard', 'lost'])('that is %s brings each once', async (fault) => {
    bad.add('b:1');
    bench.appendKeyed('orders', 'b:1', 'b:2', 'b:3', 'a:4');
    await bench.core.start();
    await bench.clock.advance(2_000);
    expect(held()).toHaveLength(3);
    bad.clear();
    faults = [fault];
    await bench.clock.advance(40_000);
    expect(bench.written('orders')).toEqual(['a:4', 'b:1', 'b:2', 'b:3']);
    expect(held()).toEqual([]);
  });

  it('is out of reach of operators until it is settled', async () => {
    bad.add('b:1');
    bench.appendKeyed('orders', 'b:1');
    await bench.core.start();
    await bench.clock.advance(2_000);
    bad.clear();
    faults = ['unheard'];
    isLast = true;
    await bench.clock.advance(10_000);
    await bench.stop();
    expect(bench.written('orders')).toEqual(['b:1']);
    const operator = openOperator(bench.outbox.path);
    const skip = () => operator.skip({ topic: 'orders' }, { actor: 'ops', reason: 'why' });
    try {
      expect(skip).toThrowError(expect.objectContaining({ code: 'EVENT_IN_FLIGHT' }));
    } finally {
      operator.close();
    }
    await restart();
    await bench.clock.advance(20_000);
    expect(bench.written('orders')).toEqual(['b:1']);
  });
});

it('what was set aside when reading fails before the send is taken back', async () => {
  bad.add('a:1');
  bench.appendKeyed('orders', 'a:1');
  await bench.core.start();
  await bench.clock.advance(1_000);
  const { recovery } = bench.store;
  const idOf = recovery.idOf.bind(recovery);
  let failures = 1;
  recovery.idOf = (lane, seq) => {
    failures -= 1;
    if (failures === 0) throw new Error('the disk has failed once');
    return idOf(lane, seq);
  };
  bench.appendKeyed('orders', 'a:2', 'b:3');
  await bench.clock.advance(1_000);
  bad.clear();
  await bench.clock.advance(60_000);
  expect(bench.written('orders').sort()).toEqual(['a:1', 'a:2', 'b:3']);
  expect(bench.store.summary()).toMatchObject({ delivered: 3, pending: 0, held: 0 });
});

describe('watermarks', () => {
  it('that are given up beside a running relay are those of its next transactions', async () => {
    bench.appendKeyed('orders', 'a:1');
    await bench.core.start();
    await bench.clock.advance(1_000);
    const operator = openOperator(bench.outbox.path);
    operator.resetWatermarks({ actor: 'ops', reason: 'another lane is stopped' });
    operator.close();
    bench.appendKeyed('orders', 'a:2');
    await bench.clock.advance(1_000);
    faults = ['unheard'];
    isLast = true;
    bench.appendKeyed('orders', 'a:3', 'b:4');
    await bench.clock.advance(1_000);
    await restart();
    await bench.clock.advance(5_000);
    expect(bench.written('orders').sort()).toEqual(['a:1', 'a:2', 'a:3', 'b:4']);
  });

  it.each(['checked', 'setAside', 'sent', 'settled'] as const)(
    'that are given up at %s lose nothing that was set aside',
    async (when) => {
      bad.add('b:1');
      bench.appendKeyed('orders', 'a:1', 'b:1', 'a:2');
      await bench.core.start();
      await bench.clock.advance(500);
      const operator = openOperator(bench.outbox.path);
      let times = 0;
      bench.onStep = (step) => {
        if (step !== when) return;
        times += 1;
        if (times === 1) operator.resetWatermarks({ actor: 'ops', reason: 'another lane' });
      };
      bench.appendKeyed('orders', 'a:3', 'b:2', 'a:4', 'b:3');
      await bench.clock.advance(500);
      operator.close();
      bad.clear();
      await bench.clock.advance(60_000);
      expect(times).toBeGreaterThan(0);
      const all = ['a:1', 'a:2', 'a:3', 'a:4', 'b:1', 'b:2', 'b:3'];
      expect([...new Set(bench.written('orders'))].sort()).toEqual(all);
      expect(bench.store.summary()).toMatchObject({ delivered: 7, pending: 0, held: 0 });
    },
  );

  it('that are gone are no trouble when all was settled', async () => {
    bench.appendKeyed('orders', 'a:1');
    await bench.core.start();
    await bench.clock.advance(1_000);
    await bench.stop();
    bench.driver.forgetWatermarks();
    await restart();
    bench.appendKeyed('orders', 'a:2');
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['a:1', 'a:2']);
  });

  it('that are gone with something in doubt stop the lane', async () => {
    faults = ['unheard'];
    isLast = true;
    bench.appendKeyed('orders', 'a:1');
    await bench.core.start();
    await bench.clock.advance(500);
    await bench.stop();
    bench.driver.forgetWatermarks();
    await restart();
    const failed = bench.listen('laneFailed');
    await bench.clock.advance(60_000);
    expect(failed[0]).toMatchObject({ failure: { code: 'WATERMARK_MISSING' } });
    expect(bench.written('orders')).toEqual(['a:1']);
  });

  it('of a batch that a relay without transactions has begun anew stop the lane', async () => {
    faults = ['unheard'];
    isLast = true;
    bench.appendKeyed('orders', 'a:1', 'a:2', 'a:3');
    await bench.core.start();
    await bench.clock.advance(500);
    await bench.stop();
    bench.sql('UPDATE outbox_lanes SET cursor = 1, delivered = 1'); // it has delivered one
    await restart();
    const failed = bench.listen('laneFailed');
    await bench.clock.advance(5_000);
    expect(failed[0]).toMatchObject({ failure: { code: 'WATERMARK_AHEAD' } });
    expect(bench.store.readLane(0).cursor).toBe(1);
  });

  it('are not needed after an outage that began between two transactions', async () => {
    bench.appendKeyed('orders', 'a:1');
    await bench.core.start();
    await bench.clock.advance(100);
    bench.driver.goAway();
    bench.appendKeyed('orders', 'a:2');
    await bench.clock.advance(60_000);
    await bench.stop();
    bench.driver.forgetWatermarks();
    await restart();
    await bench.clock.advance(5_000);
    expect(bench.written('orders')).toEqual(['a:1', 'a:2']);
  });

  it('are committed again each day, as Kafka forgets them after seven', async () => {
    const steps: string[] = [];
    let suspended = 0;
    bench.onStep = (step) => {
      steps.push(step);
      if (step !== 'settled' || suspended > 2) return;
      suspended += 1;
      bench.clock.oversleep(suspended === 2 ? dayMs : dayMs / 3);
      bench.appendKeyed('orders', `a:${suspended + 1}`);
    };
    bench.appendKeyed('orders', 'a:1');
    await bench.core.start();
    for (let round = 0; round < 5; round += 1) await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['a:1', 'a:2', 'a:3', 'a:4']);
    const run = steps.filter((step) => step === 'settled' || step === 'reopened');
    expect(run).toEqual(['reopened', 'settled', 'settled', 'reopened', 'settled', 'settled']);
  });
});

it('at least once goes on where a relay with transactions has ended', async () => {
  bad.add('b:1');
  bench.appendKeyed('orders', 'b:1');
  await bench.core.start();
  await bench.clock.advance(1_000);
  faults = ['lost'];
  isLast = true;
  bench.appendKeyed('orders', 'a:2', 'b:3');
  await bench.clock.advance(500);
  await bench.stop();
  expect(held()).toHaveLength(2);
  await restart({ delivery: 'at-least-once' });
  bad.clear();
  await bench.clock.advance(40_000);
  expect(bench.written('orders')).toEqual(['a:2', 'b:1', 'b:3']);
  expect(bench.store.summary()).toMatchObject({ delivered: 3, pending: 0, held: 0 });
  expect(open()).toBe(0);
});

it('at least once goes on where one has stopped in an outage, with events set aside', async () => {
  bad.add('a:1');
  bench.appendKeyed('orders', 'a:1');
  await bench.core.start();
  await bench.clock.advance(1_000);
  bench.driver.interceptSends(async () => {
    bench.driver.goAway();
    return { ...refusal, kind: 'outage', code: 'ECONNREFUSED' };
  });
  bench.appendKeyed('orders', 'a:2', 'b:3');
  await bench.clock.advance(1_000);
  await bench.stop();
  expect([open(), held().length]).toEqual([0, 1]);
  bench.driver.interceptSends(async () => null);
  await restart({ delivery: 'at-least-once' });
  await bench.clock.advance(40_000);
  expect(bench.written('orders').sort()).toEqual(['a:1', 'a:2', 'b:3']);
  expect(bench.store.summary()).toMatchObject({ delivered: 3, pending: 0, held: 0 });
});

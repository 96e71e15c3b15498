/** The whole relay in memory: what it does about outages, refusals, lost leases and its end. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutboxBusyError } from '../../../src/core/errors.ts';
import { logEvents } from '../../../src/telemetry/log.ts';
import { failure, RelayBench } from '../../support/relay-bench.ts';

let bench: RelayBench;
let stopped: boolean;

beforeEach(() => {
  bench = new RelayBench();
  stopped = false;
});
afterEach(async () => {
  if (!stopped) await bench.stop();
  expect(bench.clock.pendingTimers).toBe(0); // a relay that has stopped leaves no timer
});

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}`);

describe('a relay', () => {
  it('delivers what was there before it and what comes later, in order', async () => {
    const delivered = bench.listen('delivered');
    bench.append('orders', ...numbers(25));
    await bench.core.start();
    await bench.clock.advance(1_000);
    bench.append('orders', 'later');
    await bench.clock.advance(1_000); // seen by the poll; then the lane is watched for a moment
    expect(bench.written('orders')).toEqual([...numbers(25), 'later']);
    expect(delivered.map(({ count, cursor }) => [count, cursor])).toEqual([
      [10, 10],
      [10, 20],
      [5, 25],
      [1, 26],
    ]);
    expect(bench.store.readLane(0)).toMatchObject({ cursor: 26, owner: null, failures: 0 });
  });

  it('delivers within 2 s of Kafka’s return, whatever delay is configured', async () => {
    bench = new RelayBench({ retry: { retries: 1, delayMs: 600_000 } });
    bench.append('orders', 'waits');
    bench.driver.goAway();
    await bench.core.start();
    await bench.clock.advance(300_000);
    expect(bench.store.readLane(0).failure).toMatchObject({ kind: 'outage' });
    bench.driver.comeBack();
    await bench.clock.advance(2_000);
    expect(bench.written('orders')).toEqual(['waits']);
    expect(bench.store.readLane(0).failure).toBeNull();
  });

  it('delivers soon after replicas are back, whatever the delay', async () => {
    bench = new RelayBench({ retry: { retries: 1, delayMs: 600_000 } });
    let tooFew = true;
    bench.driver.interceptSends(async () => {
      return tooFew ? failure('partition-away', 'NOT_ENOUGH_REPLICAS') : null;
    });
    bench.append('orders', 'waits');
    await bench.core.start();
    await bench.clock.advance(120_000);
    tooFew = false;
    await bench.clock.advance(3_000); // asks with the event every two seconds
    expect(bench.written('orders')).toEqual(['waits']);
  });

  it('does not repeat without end what is written beside a partition that is away', async () => {
    let repeats = 0;
    bench.driver.interceptSends(async (records) => {
      if (!records.some(({ topic }) => topic === 'away')) return null;
      repeats += records.filter(({ topic }) => topic === 'orders').length; // Kafka has these
      return failure('partition-away', 'NOT_ENOUGH_REPLICAS');
    });
    bench.append('orders', ...numbers(5));
    bench.append('away', 'waits');
    bench.append('orders', 'behind it');
    await bench.core.start();
    await bench.clock.advance(600_000);
    expect(repeats).toBeLessThanOrEqual(2 * 6);
    expect(bench.store.readLane(0).cursor).toBeGreaterThanOrEqual(4);
  });

  it('goes on beside a listener that rejects, and a logger that always throws', async () => {
    const warnings = bench.listen('warning');
    const refuse = () => {
      throw new Error('closed');
    };
    logEvents(bench.emitter, { debug: refuse, info: refuse, warn: refuse, error: refuse });
    bench.emitter.on('delivered', (async () => refuse()) as never);
    bench.append('orders', 'one');
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['one']);
    const told = warnings.map(({ message }) => message);
    expect(told).toEqual(['the logger threw: closed', 'a listener of delivered threw: closed']);
  });

  it('goes on beside a listener that throws, and says so', async () => {
    const warnings = bench.listen('warning');
    bench.emitter.on('delivered', () => {
      throw new Error('not the relay’s');
    });
    bench.append('orders', ...numbers(25));
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(numbers(25));
    expect(warnings[0]).toMatchObject({ code: 'LISTENER_FAILED' });
    expect(warnings[0]?.message).toBe('a listener of delivered threw: not the relay’s');
  });

  it('uses up round after round in an outage, at the configured pace, without a loss', async () => {
    bench = new RelayBench({ retry: { retries: 2, delayMs: 1_000 } });
    const rounds = bench.listen('roundUsedUp');
    const failed = bench.listen('laneFailed');
    bench.append('orders', ...numbers(3));
    bench.driver.goAway();
    await bench.core.start();
    await bench.clock.advance(30_500);
    // A try a second: three to a round, and the next round keeps to the delay.
    expect(failed.length).toBeGreaterThanOrEqual(28);
    expect(failed.length).toBeLessThanOrEqual(32);
    expect(rounds.length).toBeGreaterThanOrEqual(9);
    expect(bench.store.readLane(0).roundsUsedUp).toBe(rounds.length);
    expect(bench.store.summary().pending).toBe(3);
    bench.driver.comeBack();
    await bench.clock.advance(2_000);
    expect(bench.written('orders')).toEqual(numbers(3));
  });

  it('opens the circuit once and closes it with the first answer', async () => {
    const states = bench.listen('circuit');
    bench.append('orders', 'one');
    bench.driver.goAway();
    await bench.core.start();
    await bench.clock.advance(20_000);
    expect(states.map(({ state }) => state)).toEqual(['open']);
    bench.driver.comeBack();
    await bench.clock.advance(2_000);
    expect(states.map(({ state }) => state)).toEqual(['open', 'closed']);
  });

  it('sends a batch again when its outcome is unknown, and repeats are all it costs', async () => {
    let calls = 0;
    bench.driver.interceptSends(async () => {
      calls += 1;
      return calls === 1 ? failure('unknown', 'REQUEST_TIMED_OUT') : null;
    });
    bench.append('orders', ...numbers(3));
    await bench.core.start();
    await bench.clock.advance(3_000);
    expect(bench.written('orders')).toEqual(numbers(3));
  });
});

it('a relay finishes a job of a lane that is no more: nothing waits there', async () => {
  await bench.core.start();
  const signal = new AbortController().signal;
  const request = { lane: 7, attempt: 1, attempts: 61, via: 'job', signal } as const;
  expect(await bench.handler?.(request)).toEqual({ again: false });
});

describe('an event for a partition that its topic grew', () => {
  it('is sent, while keys keep their places', async () => {
    bench.driver.createTopic('orders', 3);
    bench.append('orders', 'first');
    await bench.core.start();
    await bench.clock.advance(1_000);
    bench.driver.growTopic('orders', 6);
    bench.appendTo('orders', 4, 'to the new one');
    await bench.clock.advance(60_000);
    expect(bench.written('orders')).toEqual(['first', 'to the new one']);
  });
});

describe('a lease', () => {
  it('that was lost while a batch was on its way moves no cursor', async () => {
    const lost = bench.listen('leaseLost');
    bench.append('orders', ...numbers(2));
    bench.driver.interceptSends(async () => {
      await bench.store.announceOwner('another');
      await bench.store.claimLane(0, 'another', bench.store.readLane(0).fence);
      return null;
    });
    await bench.core.start();
    await bench.clock.advance(100);
    expect(lost).toHaveLength(1);
    expect(bench.store.readLane(0)).toMatchObject({ cursor: 0, delivered: 0 });
  });

  it('that was lost before a batch leaves lets nothing leave', async () => {
    bench.append('orders', 'mine');
    bench.onStep = async (step) => {
      if (step !== 'read') return;
      const { fence } = bench.store.readLane(0);
      await bench.store.announceOwner('another');
      await bench.store.claimLane(0, 'another', fence);
    };
    await bench.core.start();
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual([]);
  });

  it('of a living owner is kept, a dead one’s taken at once, a frozen one’s later', async () => {
    bench = new RelayBench({ leaseMs: 30_000 });
    bench.append('orders', 'one');
    const presence = await bench.store.announceOwner('frozen');
    await bench.store.claimLane(0, 'frozen', 0);
    await bench.core.start();
    await bench.clock.advance(29_000);
    expect(bench.written('orders')).toEqual([]);
    await bench.store.renewLeases('frozen'); // a sign of life begins its time anew
    await bench.clock.advance(29_000);
    expect(bench.written('orders')).toEqual([]);
    await bench.clock.advance(3_000);
    expect(bench.written('orders')).toEqual(['one']);
    bench.append('orders', 'two');
    const { fence } = bench.store.readLane(0);
    await bench.store.claimLane(0, 'frozen', fence);
    await presence.withdraw(); // dead: its lock is gone
    await bench.clock.advance(1_000);
    expect(bench.written('orders')).toEqual(['one', 'two']);
  });
});

describe('settling', () => {
  it('that meets a busy file is tried again; the batch is not sent again', async () => {
    let busy = 3;
    const settle = bench.store.settle.bind(bench.store);
    bench.store.settle = async (lease, settlement) => {
      if (busy > 0) {
        busy -= 1;
        throw new OutboxBusyError('busy');
      }
      return settle(lease, settlement);
    };
    const warned = bench.listen('warning');
    bench.append('orders', 'once');
    await bench.core.start();
    await bench.clock.advance(2_000);
    expect(bench.written('orders')).toEqual(['once']);
    expect(bench.store.readLane(0).cursor).toBe(1);
    expect(warned.map(({ code }) => code)).toEqual(['OUTBOX_BUSY', 'OUTBOX_BUSY', 'OUTBOX_BUSY']);
  });
});

describe('a stop', () => {
  it('lets a running send end, gives the lane back and says that it has stopped', async () => {
    const gate = Promise.withResolvers<null>();
    bench.driver.interceptSends(() => gate.promise);
    bench.append('orders', 'on its way');
    await bench.core.start();
    await bench.clock.advance(100);
    const stopping = bench.core.stop(5_000);
    await bench.clock.advance(100);
    gate.resolve(null);
    await bench.clock.advance(100);
    await stopping;
    stopped = true;
    const file = bench.outbox.openStore();
    expect(file.readLane(0)).toMatchObject({ cursor: 1, owner: null });
    expect(file.summary().heartbeat).toMatchObject({ phase: 'stopped' });
  });

  it('says so when a drain is still running at its deadline', async () => {
    const gate = Promise.withResolvers<null>();
    bench.driver.interceptSends(() => gate.promise);
    bench.append('orders', 'on its way');
    await bench.core.start();
    await bench.clock.advance(100);
    stopped = true;
    await expect(bench.stop(1_000)).rejects.toMatchObject({ code: 'STOP_DEADLINE' });
    gate.resolve(null);
    await bench.clock.advance(1_000);
    expect(bench.outbox.openStore().summary().pending).toBe(1);
  });
});

describe('a log of changes that a reader keeps growing', () => {
  it('is told at its bound and whenever it has doubled, and anew after it was small', async () => {
    const warned = bench.listen('warning');
    const mib = 1_024 ** 2;
    await bench.core.start();
    for (const size of [255, 256, 300, 511, 512, 600, 100, 256]) {
      bench.store.walBytes = () => size * mib;
      await bench.clock.advance(1_000);
    }
    expect(warned.map(({ code }) => code)).toEqual(Array(3).fill('WAL_LARGE'));
    expect(warned.map(({ message }) => /\d+ MiB/.exec(message)?.[0])).toEqual([
      '256 MiB',
      '512 MiB',
      '256 MiB',
    ]);
  });
});

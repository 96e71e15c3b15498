/** So many events and bytes a second, over all lanes, on a clock that is moved by hand. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Governor, type GovernorRates } from '../../../src/relay/governor.ts';
import { FakeClock } from '../../support/clock.ts';
import { RelayBench } from '../../support/relay-bench.ts';

describe('the governor', () => {
  const never = new AbortController().signal;
  let clock: FakeClock;
  beforeEach(() => {
    clock = new FakeClock();
  });

  const governed = (rates: Partial<GovernorRates>) =>
    new Governor({ eventsPerSecond: null, bytesPerSecond: null, ...rates }, clock);

  /** Asks until it may go, as a drain does. */
  async function pass(share: ReturnType<Governor['share']>, bytes = 0, signal = never) {
    while (!signal.aborted) {
      if (await share.mayGo({ events: 20, bytes }, signal)) return;
    }
  }

  /** What three lanes send in ten seconds. */
  async function sentBy(governor: Governor, bytes: number): Promise<number> {
    let sent = 0;
    const end = new AbortController();
    const lane = async () => {
      const share = governor.share();
      while (!end.signal.aborted) {
        await pass(share, bytes, end.signal);
        if (!end.signal.aborted) sent += 20;
      }
    };
    const lanes = [lane(), lane(), lane()];
    await clock.advance(10_000);
    end.abort();
    await clock.advance(0);
    await Promise.all(lanes);
    return sent;
  }

  it('keeps to the events of a second', async () => {
    const sent = await sentBy(governed({ eventsPerSecond: 100 }), 1);
    expect(sent).toBeGreaterThanOrEqual(950);
    expect(sent).toBeLessThanOrEqual(1_050);
  });

  it('keeps to the bytes of a second', async () => {
    const sent = await sentBy(governed({ bytesPerSecond: 10_000 }), 1_000);
    expect(sent).toBeGreaterThanOrEqual(1_900);
    expect(sent).toBeLessThanOrEqual(2_100);
  });

  it('has a second’s worth in hand after a rest, and no more', async () => {
    const governor = governed({ eventsPerSecond: 100 });
    await clock.advance(60_000);
    let taken = 0;
    const all = Array.from({ length: 20 }, async () => {
      await pass(governor.share());
      taken += 20;
    });
    await clock.advance(0);
    expect(taken).toBe(120);
    await clock.advance(10_000);
    await Promise.all(all);
  });

  it('lets everything through at once when it has no rate', async () => {
    const governor = governed({});
    const share = governor.share();
    for (let times = 0; times < 1_000; times += 1) {
      expect(await share.mayGo({ events: 1_000, bytes: 1e9 }, never)).toBe(true);
    }
    const bounds = { events: 1_000, bytes: 4_000_000 };
    expect(governor.limit(bounds)).toEqual(bounds);
  });

  it('keeps a send to a quarter of a second’s worth, of events and of bytes', () => {
    const bounds = { events: 1_000, bytes: 4_000_000, partitionBytes: 800_000 };
    const slow = governed({ eventsPerSecond: 100, bytesPerSecond: 10_000 });
    expect(slow.limit(bounds)).toEqual({ ...bounds, events: 25, bytes: 2_500 });
    const slowest = governed({ eventsPerSecond: 1, bytesPerSecond: 1 });
    expect(slowest.limit(bounds)).toEqual({ ...bounds, events: 1, bytes: 1 });
  });

  it('keeps what was waited for, and asks for no more than what is new', async () => {
    const governor = governed({ eventsPerSecond: 10 });
    const share = governor.share();
    expect(await share.mayGo({ events: 20, bytes: 0 }, never)).toBe(true);
    const waited = share.mayGo({ events: 5, bytes: 0 }, never);
    await clock.advance(2_000);
    expect(await waited).toBe(false);
    expect(await share.mayGo({ events: 5, bytes: 0 }, never)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets a drain end that waits behind others, and gives its place back', async () => {
    const governor = governed({ eventsPerSecond: 10 });
    expect(await governor.share().mayGo({ events: 1_000, bytes: 0 }, never)).toBe(true);
    const first = governor.share().mayGo({ events: 20, bytes: 0 }, never);
    const end = new AbortController();
    const second = governor.share().mayGo({ events: 500, bytes: 0 }, end.signal);
    end.abort();
    expect(await second).toBe(false); // though the first waits for another 100 s
    const third = governor.share().mayGo({ events: 20, bytes: 0 }, never);
    await clock.advance(102_000); // 1,000 and 20 events at 10/s; not the 500 that were not sent
    expect(await Promise.all([first, third])).toEqual([false, false]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a relay with a governor', () => {
  let bench: RelayBench;
  afterEach(() => bench.stop());

  const backlog = (count: number) =>
    Array.from({ length: count }, (_, index) => `k${index % 16}:${index}`);

  it('drains a backlog at its rate, and goes on renewing its leases', async () => {
    const governor = { eventsPerSecond: 40, bytesPerSecond: null };
    bench = new RelayBench({ lanes: 4, governor });
    bench.appendKeyed('orders', ...backlog(600));
    await bench.core.start();
    await bench.clock.advance(10_000);
    const written = bench.written('orders').length;
    expect(written).toBeGreaterThanOrEqual(380);
    expect(written).toBeLessThanOrEqual(440);
    await bench.clock.advance(6_000);
    expect(bench.written('orders')).toHaveLength(600);
    expect(bench.store.summary()).toMatchObject({ pending: 0, delivered: 600 });
  });

  it('flows steadily at a rate of bytes, too', async () => {
    // 10 bytes of each event: some 400 of them in ten seconds.
    const governor = { eventsPerSecond: null, bytesPerSecond: 400 };
    bench = new RelayBench({ lanes: 4, batchEvents: 1_000, governor });
    const numbers = Array.from({ length: 600 }, (_, n) => `k${n % 8}:${10_000 + n}`);
    bench.appendKeyed('orders', ...numbers);
    await bench.core.start();
    const perSecond: number[] = [];
    for (let second = 0; second < 10; second += 1) {
      const before = bench.written('orders').length;
      await bench.clock.advance(1_000);
      perSecond.push(bench.written('orders').length - before);
    }
    for (const count of perSecond) {
      expect(count).toBeGreaterThanOrEqual(20);
      expect(count).toBeLessThanOrEqual(80);
    }
  });

  it('sends nothing of a topic that was paused while its events waited', async () => {
    const governor = { eventsPerSecond: 1, bytesPerSecond: null };
    bench = new RelayBench({ lanes: 1, governor });
    bench.appendKeyed('orders', ...backlog(20));
    await bench.core.start();
    await bench.clock.advance(2_500);
    const operator = bench.outbox.openOperator();
    operator.pause({
      verb: 'pause',
      target: { topic: 'orders' },
      actor: 'ann',
      reason: null,
      dryRun: false,
    });
    operator.close();
    const before = bench.written('orders').length;
    expect(before).toBeLessThan(20);
    await bench.clock.advance(20_000);
    expect(bench.written('orders')).toHaveLength(before);
  });
});

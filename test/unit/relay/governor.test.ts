/** So many events and bytes a second, over all lanes, on a clock that is moved by hand. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Governor } from '../../../src/relay/governor.ts';
import { FakeClock } from '../../support/clock.ts';
import { RelayBench } from '../../support/relay-bench.ts';

describe('the governor', () => {
  const never = new AbortController().signal;

  /** What several lanes send in ten seconds. */
  async function sentBy(governor: Governor, clock: FakeClock, bytes: number): Promise<number> {
    let sent = 0;
    const end = new AbortController();
    const lane = async () => {
      while (!end.signal.aborted) {
        await governor.take(20, bytes, end.signal);
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
    const clock = new FakeClock();
    const governor = new Governor({ eventsPerSecond: 100, bytesPerSecond: null }, clock);
    const sent = await sentBy(governor, clock, 1);
    expect(sent).toBeGreaterThanOrEqual(950);
    expect(sent).toBeLessThanOrEqual(1_050);
  });

  it('keeps to the bytes of a second', async () => {
    const clock = new FakeClock();
    const governor = new Governor({ eventsPerSecond: null, bytesPerSecond: 10_000 }, clock);
    const sent = await sentBy(governor, clock, 1_000);
    expect(sent).toBeGreaterThanOrEqual(1_900);
    expect(sent).toBeLessThanOrEqual(2_100);
  });

  it('has a second’s worth in hand after a rest, and no more', async () => {
    const clock = new FakeClock();
    const governor = new Governor({ eventsPerSecond: 100, bytesPerSecond: null }, clock);
    await clock.advance(60_000);
    let taken = 0;
    const all = Array.from({ length: 20 }, async () => {
      await governor.take(20, 0, never);
      taken += 20;
    });
    await clock.advance(0);
    expect(taken).toBe(120);
    await clock.advance(10_000);
    await Promise.all(all);
  });

  it('lets everything through at once when it has no rate', async () => {
    const governor = new Governor({ eventsPerSecond: null, bytesPerSecond: null }, new FakeClock());
    for (let times = 0; times < 1_000; times += 1) await governor.take(1_000, 1e9, never);
    expect(governor.batchMax).toBe(Infinity);
  });
});

describe('a relay with a governor', () => {
  let bench: RelayBench;
  beforeEach(() => {
    bench = new RelayBench({ lanes: 4, governor: { eventsPerSecond: 40, bytesPerSecond: null } });
  });
  afterEach(() => bench.stop());

  it('drains a backlog at its rate, and goes on renewing its leases', async () => {
    const values = Array.from({ length: 600 }, (_, index) => `k${index % 16}:${index}`);
    bench.appendKeyed('orders', ...values);
    await bench.core.start();
    await bench.clock.advance(10_000);
    const written = bench.written('orders').length;
    expect(written).toBeGreaterThanOrEqual(380);
    expect(written).toBeLessThanOrEqual(440);
    await bench.clock.advance(6_000);
    expect(bench.written('orders')).toHaveLength(600);
    expect(bench.store.summary()).toMatchObject({ pending: 0, delivered: 600 });
  });
});

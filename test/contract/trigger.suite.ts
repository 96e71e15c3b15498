/** What every trigger promises (src/trigger/trigger.ts). */
import { afterEach, describe, expect, it } from 'vitest';
import type { RetryPolicy } from '../../src/core/retry.ts';
import type { DrainRequest, Trigger, TriggerEvents } from '../../src/trigger/trigger.ts';
import { until } from '../support/wait.ts';

export interface TriggerParts {
  readonly lanes: number;
  readonly retry: RetryPolicy;
  readonly events: TriggerEvents;
}

const fixed = { retries: 2, delayMs: 100, backoff: 'fixed', maxDelayMs: 1_000, jitter: 0 } as const;
const tenMinutes = { ...fixed, delayMs: 600_000 };

/** A trigger under test, the drains it asked for, and a handler that the test directs. */
class Bench {
  readonly requests: DrainRequest[] = [];
  readonly usedUp: number[] = [];
  readonly trigger: Trigger;
  handler: (request: DrainRequest) => Promise<{ again: boolean }> = async () => ({ again: false });

  constructor(create: (parts: TriggerParts) => Trigger, retry: RetryPolicy) {
    const roundUsedUp = (lane: number) => this.usedUp.push(lane);
    const events = { roundUsedUp, reachable: () => {} };
    this.trigger = create({ lanes: 4, retry, events });
  }

  async start(): Promise<void> {
    await this.trigger.start((request) => {
      this.requests.push(request);
      return this.handler(request);
    });
  }

  attempts(lane: number): number[] {
    return this.requests.filter((request) => request.lane === lane).map(({ attempt }) => attempt);
  }

  /** Lets drains wait until `open` is called. */
  gate(): { readonly open: () => void } {
    const gate = Promise.withResolvers<void>();
    this.handler = () => gate.promise.then(() => ({ again: false }));
    return { open: () => gate.resolve() };
  }

  running(lane: number, count = 1): Promise<unknown> {
    return until(`drain ${count} of lane ${lane}`, () => this.attempts(lane).length >= count);
  }

  idle(lane: number): Promise<unknown> {
    const isIdle = async () => (await this.trigger.stateOf(lane)) === 'none';
    return until(`lane ${lane} has no wake-up`, isIdle);
  }
}

export function triggerContract(via: 'job' | 'sweep', create: (parts: TriggerParts) => Trigger) {
  const benches: Bench[] = [];
  const started = async (retry: RetryPolicy = fixed): Promise<Bench> => {
    const bench = new Bench(create, retry);
    benches.push(bench);
    await bench.start();
    return bench;
  };
  afterEach(async () => {
    for (const { trigger } of benches.splice(0)) await trigger.stop(1_000);
  });

  it('runs a lane that is woken, once', async () => {
    const bench = await started();
    await bench.trigger.wake(2);
    await bench.running(2);
    await bench.idle(2);
    expect(bench.requests).toMatchObject([{ lane: 2, attempt: 1, attempts: 3, via }]);
  });

  it('runs lanes beside each other', async () => {
    const bench = await started();
    const gate = bench.gate();
    for (const lane of [0, 1, 2, 3]) await bench.trigger.wake(lane);
    for (const lane of [0, 1, 2, 3]) await bench.running(lane);
    expect(await bench.trigger.stateOf(3)).toBe('active');
    gate.open();
  });

  it('answers many wake-ups during a drain with one more drain', async () => {
    const bench = await started();
    const gate = bench.gate();
    await bench.trigger.wake(0);
    await bench.running(0);
    for (let count = 0; count < 5; count += 1) await bench.trigger.wake(0);
    gate.open();
    await bench.running(0, 2);
    await bench.idle(0);
    expect(bench.attempts(0)).toEqual([1, 1]);
  });

  it('goes on at once as long as there is more', async () => {
    const bench = await started(tenMinutes);
    bench.handler = async () => ({ again: bench.requests.length < 3 });
    await bench.trigger.wake(0);
    await bench.running(0, 3);
    await bench.idle(0);
    expect(bench.attempts(0)).toEqual([1, 1, 1]);
  });

  it('tries a failed drain again at its delay, then says the round is used up', async () => {
    const bench = await started();
    const times: number[] = [];
    bench.handler = async () => {
      times.push(performance.now());
      throw new Error('Kafka is away');
    };
    await bench.trigger.wake(1);
    await until('the round is used up', () => bench.usedUp.length > 0);
    expect(bench.usedUp).toEqual([1]);
    expect(bench.attempts(1)).toEqual([1, 2, 3]);
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(fixed.delayMs - 5);
    await bench.idle(1);
    bench.handler = async () => ({ again: false });
    await bench.trigger.wake(1);
    await bench.running(1, 4);
    expect(bench.attempts(1).at(-1)).toBe(1);
  });

  it('says what a lane waits for, and promotes it past any delay', async () => {
    const bench = await started(tenMinutes);
    expect(await bench.trigger.stateOf(0)).toBe('none');
    bench.handler = () => Promise.reject(new Error('Kafka is away'));
    await bench.trigger.wake(0);
    await bench.trigger.wake(3);
    const { trigger } = bench;
    const areDelayed = async () => {
      const states = [await trigger.stateOf(0), await trigger.stateOf(3)];
      return states.every((state) => state === 'delayed');
    };
    await until('both lanes wait for their delay', areDelayed);
    bench.handler = async () => ({ again: false });
    await bench.trigger.wake(0); // joins the drain that waits
    await bench.trigger.promote([0, 1]);
    await bench.idle(0);
    expect(bench.attempts(0)).toEqual([1, 2]);
    expect(await bench.trigger.stateOf(3)).toBe('delayed');
  });

  describe('stopping', () => {
    it('tells running drains, waits for them, and starts none', async () => {
      const bench = await started();
      bench.handler = ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve({ again: true }));
        });
      await bench.trigger.wake(0);
      await bench.running(0);
      expect(await bench.trigger.stop(5_000)).toBe(true);
      expect(await bench.trigger.stop(5_000)).toBe(true);
      expect(bench.attempts(0)).toEqual([1]);
    });

    it('gives up at the deadline', async () => {
      const bench = await started();
      const gate = bench.gate();
      await bench.trigger.wake(0);
      await bench.running(0);
      expect(await bench.trigger.stop(50)).toBe(false);
      gate.open();
    });

    it('is legal before the start', async () => {
      const bench = new Bench(create, fixed);
      expect(await bench.trigger.stop(1_000)).toBe(true);
    });
  });
}

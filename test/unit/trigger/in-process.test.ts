/** The timers, on a clock that is moved by hand: exact delays, rounds, and nothing left running. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { RetryPolicy } from '../../../src/core/retry.ts';
import { createInProcessTrigger } from '../../../src/trigger/in-process.ts';
import type { DrainHandler, Trigger } from '../../../src/trigger/trigger.ts';
import { FakeClock } from '../../support/clock.ts';

const away = () => Promise.reject(new Error('Kafka is away'));
const done = async () => ({ again: false });

let clock: FakeClock;
let startedAtMs: number[];
let usedUp: number;

beforeEach(() => {
  clock = new FakeClock();
  startedAtMs = [];
  usedUp = 0;
});

async function start(handler: DrainHandler, policy: Partial<RetryPolicy> = {}): Promise<Trigger> {
  const fixed = { retries: 2, delayMs: 1_000, backoff: 'fixed', maxDelayMs: 5_000, jitter: 0 };
  const trigger = createInProcessTrigger({
    lanes: 1,
    clock,
    retry: { ...fixed, ...policy } as RetryPolicy,
    random: () => 0.5,
    events: { roundUsedUp: () => void usedUp++, reachable: () => {} },
  });
  await trigger.start((request) => {
    startedAtMs.push(clock.monotonic());
    return handler(request);
  });
  return trigger;
}

describe('the trigger in the process', () => {
  it('retries at the fixed delay, then waits for the next wake-up', async () => {
    const trigger = await start(away);
    await trigger.wake(0);
    await clock.advance(60_000);
    expect(startedAtMs).toEqual([0, 1_000, 2_000]);
    expect(usedUp).toBe(1);
    expect(await trigger.stateOf(0)).toBe('none');
    expect(clock.pendingTimers).toBe(0);
  });

  it('doubles the delay, and takes jitter off', async () => {
    const policy = { retries: 4, backoff: 'exponential', jitter: 0.2 } as const;
    const trigger = await start(away, policy);
    await trigger.wake(0);
    await clock.advance(60_000);
    expect(startedAtMs).toEqual([0, 900, 2_700, 6_300, 10_800]);
  });

  it('promotes a delayed lane at once, and its next attempt counts on', async () => {
    const attempts: number[] = [];
    const trigger = await start(
      (request) => {
        attempts.push(request.attempt);
        return away();
      },
      { delayMs: 600_000 },
    );
    await trigger.wake(0);
    await clock.advance(10);
    await trigger.promote([0]);
    await clock.advance(10);
    expect(startedAtMs).toEqual([0, 10]);
    expect(attempts).toEqual([1, 2]);
    await trigger.stop(0);
  });

  it('keeps a wake-up that comes before the start', async () => {
    const trigger = createInProcessTrigger({
      lanes: 1,
      clock,
      retry: { retries: 0, delayMs: 1, backoff: 'fixed', maxDelayMs: 1, jitter: 0 },
      events: { roundUsedUp: () => {}, reachable: () => {} },
    });
    await trigger.wake(0);
    let ran = 0;
    await trigger.start(async () => {
      ran += 1;
      return { again: false };
    });
    await clock.advance(0);
    expect(ran).toBe(1);
  });

  it('runs nothing after a stop, and leaves no timer', async () => {
    const trigger = await start(away);
    await trigger.wake(0);
    await clock.advance(0);
    expect(await trigger.stop(1_000)).toBe(true);
    await trigger.wake(0);
    await clock.advance(60_000);
    expect(startedAtMs).toEqual([0]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('says that a drain was still running at the deadline', async () => {
    const trigger = await start(() => new Promise(() => {}));
    await trigger.wake(0);
    await clock.advance(0);
    const stopped = trigger.stop(1_000);
    await clock.advance(1_000);
    expect(await stopped).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is always reachable', async () => {
    const trigger = await start(done);
    expect(trigger.unreachableForMs()).toBe(0);
  });
});

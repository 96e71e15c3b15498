import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Reachability } from '../../../src/trigger/reachability.ts';
import { FakeClock } from '../../support/clock.ts';

let clock: FakeClock;
let questions: PromiseWithResolvers<void>[];
let told: boolean[];
let reachability: Reachability;

beforeEach(async () => {
  clock = new FakeClock();
  questions = [];
  told = [];
  reachability = new Reachability({
    clock,
    ping: () => {
      const question = Promise.withResolvers<void>();
      questions.push(question);
      return question.promise;
    },
    changed: (reachable) => told.push(reachable),
  });
  const started = reachability.start();
  questions[0]?.resolve();
  await started;
});
afterEach(() => {
  reachability.stop();
  expect(clock.pendingTimers).toBe(0);
});

describe('a server that is frozen', () => {
  it('has one question that it has not answered, however long it lasts', async () => {
    await clock.advance(60_000);
    expect(told).toEqual([true, false]);
    expect(questions).toHaveLength(2); // the first one was answered
    expect(reachability.unreachableForMs()).toBeGreaterThan(50_000);
  });

  it('is asked anew once it has answered: late, or by an end of its connection', async () => {
    await clock.advance(60_000);
    questions[1]?.resolve();
    await clock.advance(1_500);
    questions[2]?.resolve();
    await clock.advance(1);
    expect(told).toEqual([true, false, true]);
    await clock.advance(60_000);
    const asked = questions.length;
    questions.at(-1)?.reject(new Error('the connection was closed'));
    await clock.advance(1_500);
    expect(questions).toHaveLength(asked + 1);
    questions.at(-1)?.resolve();
    await clock.advance(1);
    expect(told).toEqual([true, false, true, false, true]);
  });
});

describe('a new connection', () => {
  it('is asked, whatever the old one still owes', async () => {
    await clock.advance(60_000);
    reachability.connected();
    await clock.advance(2_000); // the check under way waits for the old answer at first
    expect(questions).toHaveLength(3);
    questions[2]?.resolve();
    await clock.advance(1);
    expect(told).toEqual([true, false, true]);
    questions[1]?.resolve();
    await clock.advance(2_000);
    expect(questions).toHaveLength(4);
    await clock.advance(60_000);
    expect(questions).toHaveLength(4);
  });
});

describe('a server that answers', () => {
  it('is asked every second', async () => {
    for (let second = 1; second <= 3; second += 1) {
      await clock.advance(1_000);
      expect(questions).toHaveLength(1 + second);
      questions.at(-1)?.resolve();
      await clock.advance(1);
    }
    expect(told).toEqual([true]);
  });
});

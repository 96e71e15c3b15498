import { describe, expect, it } from 'vitest';
import { EventInvalidError, OutcomeUnknownError } from '../../../src/core/errors.ts';
import type { AppendResult, EncodedEvent } from '../../../src/core/event.ts';
import { limits } from '../../../src/core/limits.ts';
import { Publisher } from '../../../src/enqueue/publisher.ts';
import type { OutboxStore } from '../../../src/outbox/store.ts';

type Answer = (AppendResult | Error)[];

/** Keeps the groups it is given; each waits for `release()` when it is held. */
class GroupStore {
  readonly groups: string[][] = [];
  closed = 0;
  opened = 0;
  answer: (events: readonly EncodedEvent[]) => Answer | Promise<Answer> = (events) =>
    events.map(({ id }) => ({ status: 'stored', seq: Number(id), id }));

  open = (): OutboxStore => {
    this.opened += 1;
    return this as unknown as OutboxStore;
  };

  async appendEach(events: readonly EncodedEvent[]): Promise<Answer> {
    this.groups.push(events.map(({ id }) => id));
    return this.answer(events);
  }

  close(): void {
    this.closed += 1;
  }
}

function event(number: number, valueBytes = 1): EncodedEvent {
  return {
    id: String(number),
    topic: 't',
    key: null,
    value: Buffer.alloc(valueBytes),
    headers: [],
    partition: null,
    createdAtMs: 0,
    retries: null,
    delayMs: null,
    dedupe: null,
  };
}

const numbers = (count: number, first = 1) => Array.from({ length: count }, (_, at) => first + at);
const macrotask = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('shared commits', () => {
  it('opens no connection before the first publish', async () => {
    const store = new GroupStore();
    await new Publisher(store.open).close();
    expect(store.opened).toBe(0);
  });

  it('takes all callers of one turn into one commit, in their order', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    const results = await Promise.all(
      numbers(64).map((number) => publisher.publish(event(number))),
    );
    expect(store.groups).toEqual([numbers(64).map(String)]);
    expect(results.map(({ seq }) => seq)).toEqual(numbers(64));
  });

  it('gathers callers that come while a commit is under way into the next one', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    const gate = Promise.withResolvers<void>();
    const answer = store.answer;
    store.answer = async (events) => {
      await gate.promise;
      return answer(events);
    };
    const first = publisher.publish(event(1));
    while (store.groups.length === 0) await macrotask();
    const later = [2, 3, 4].map((number) => publisher.publish(event(number)));
    gate.resolve();
    await Promise.all([first, ...later]);
    expect(store.groups).toEqual([['1'], ['2', '3', '4']]);
  });

  it(`stores at most ${limits.publishGroupMax} events in a commit, the oldest first`, async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    const all = numbers(limits.publishGroupMax + 1);
    await Promise.all(all.map((number) => publisher.publish(event(number))));
    expect(store.groups.map((group) => group.length)).toEqual([limits.publishGroupMax, 1]);
    expect(store.groups.flat()).toEqual(all.map(String));
  });

  it('bounds a commit by bytes, and always takes one event', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    const bytes = limits.publishGroupBytesMax;
    const sizes = [bytes / 2, bytes / 2, 1, bytes + 1, 1];
    await Promise.all(sizes.map((size, at) => publisher.publish(event(at + 1, size))));
    expect(store.groups).toEqual([['1', '2'], ['3'], ['4'], ['5']]);
  });

  it('rejects one bad event alone', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    const answer = store.answer;
    store.answer = async (events) => {
      const results = await answer(events);
      results[1] = new EventInvalidError('bad');
      return results;
    };
    const settled = await Promise.allSettled([1, 2, 3].map((one) => publisher.publish(event(one))));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('rejects the whole group when its commit fails, and goes on with the next', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    const answer = store.answer;
    store.answer = () => Promise.reject(new OutcomeUnknownError('commit'));
    const failed = [1, 2].map((number) => publisher.publish(event(number)));
    for (const one of await Promise.allSettled(failed)) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'OUTCOME_UNKNOWN' } });
    }
    store.answer = answer;
    await expect(publisher.publish(event(3))).resolves.toMatchObject({ seq: 3 });
  });

  it('rejects when the connection cannot be opened, and tries again with the next', async () => {
    const store = new GroupStore();
    let tries = 0;
    const publisher = new Publisher(() => {
      tries += 1;
      if (tries === 1) throw new Error('no file');
      return store.open();
    });
    await expect(publisher.publish(event(1))).rejects.toThrow('no file');
    await expect(publisher.publish(event(2))).resolves.toMatchObject({ seq: 2 });
  });
});

describe('callers that never pause', () => {
  it('never leaves an event waiting that is published as another one resolves', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    // The next publish comes 0 to 9 microtasks after the answer: around the end of the commit loop.
    for (let ticks = 0; ticks < 10; ticks += 1) {
      await publisher.publish(event(1));
      for (let tick = 0; tick < ticks; tick += 1) await null;
      await publisher.publish(event(2));
    }
    expect(store.groups).toHaveLength(20);
  });

  it('lets timers and I/O run between commits', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    const busy = async (number: number) => {
      for (let round = 0; round < 1_000 && !turned; round += 1) {
        await publisher.publish(event(number));
      }
    };
    await Promise.all(numbers(4).map(busy));
    expect(turned).toBe(true);
    expect(store.groups.length).toBeLessThan(10);
  });
});

describe('closing', () => {
  it('completes what was published, then closes the connection, and refuses more', async () => {
    const store = new GroupStore();
    const publisher = new Publisher(store.open);
    const pending = numbers(limits.publishGroupMax + 5).map((one) => publisher.publish(event(one)));
    const closing = publisher.close();
    await expect(publisher.publish(event(9))).rejects.toMatchObject({ code: 'OUTBOX_CLOSED' });
    await closing;
    expect(store.closed).toBe(1);
    const results = await Promise.all(pending);
    expect(results).toHaveLength(limits.publishGroupMax + 5);
    await publisher.close();
    expect(store.closed).toBe(1);
  });
});

import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { createTestOutbox, type TestOutbox } from '../../../src/testing/index.ts';

interface Topics {
  readonly orders: { readonly id: number };
  readonly notes: string;
}

let open: TestOutbox<Topics> | null = null;
const start = async (options: Parameters<typeof createTestOutbox>[0] = {}) => {
  open = await createTestOutbox<Topics>(options);
  return open;
};
afterEach(async () => {
  await open?.close();
  open = null;
});

describe('a test outbox', () => {
  it('delivers what is enqueued and published, as a consumer would get it', async () => {
    const test = await start();
    const { id } = test.outbox.enqueue({ topic: 'orders', key: 'k', value: { id: 1 } });
    await test.outbox.publish({ topic: 'notes', value: 'text', headers: { a: 'b' } });
    const delivered = await test.waitFor(2);
    expect(test.delivered('orders')).toHaveLength(1);
    const [note, order] = delivered;
    expect(order).toMatchObject({ topic: 'orders', key: 'k' });
    expect(order?.json()).toEqual({ id: 1 });
    expect(order?.headers).toMatchObject({ 'outbox-event-id': id, 'outbox-seq': '1' });
    expect(note).toMatchObject({ topic: 'notes', key: null, value: Buffer.from('text') });
    expect(note?.headers).toMatchObject({ a: 'b' });
  });

  it('keeps what is accepted while Kafka is down, and delivers it in order', async () => {
    const test = await start({ partitions: 1 });
    test.kafkaDown();
    for (let id = 1; id <= 20; id += 1) {
      test.outbox.enqueue({ topic: 'orders', key: 'k', value: { id } });
    }
    await test.waitFor(() => test.relay.status().circuit === 'open');
    expect(test.delivered()).toEqual([]);
    test.kafkaUp();
    const delivered = await test.waitFor(20);
    expect(delivered.map((one) => (one.json() as { id: number }).id)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  it('joins the transactions of a handle of the application, and leaves it open', async () => {
    const first = await start();
    const db = new Database(first.path);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    const test = await createTestOutbox({ source: { db } });
    const failing = db.transaction(() => {
      test.outbox.enqueue({ topic: 'orders', value: 'rolled back' });
      throw new Error('no');
    });
    expect(failing).toThrow('no');
    db.transaction(() => test.outbox.enqueue({ topic: 'orders', value: 'kept' }))();
    const arrived = () => [...test.delivered(), ...first.delivered()];
    await test.waitFor(() => arrived().length > 0);
    expect(arrived().map(({ value }) => String(value))).toEqual(['kept']);
    await test.close();
    expect(db.open).toBe(true);
    db.close();
  });

  it('tells what had arrived when it waits in vain', async () => {
    const test = await start();
    test.outbox.enqueue({ topic: 'orders', key: 'k', value: { id: 1 } });
    await test.waitFor(1);
    await expect(test.waitFor(2, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'TEST_TIMEOUT',
      message: expect.stringContaining('there was orders/k'),
    });
  });

  it('leaves nothing behind', async () => {
    const test = await start();
    expect(existsSync(test.path)).toBe(true);
    await test.close();
    expect(existsSync(test.path)).toBe(false);
  });
});

it('a map of topics lets the compiler refuse a wrong topic or value', async () => {
  const { outbox } = await start();
  outbox.enqueue({ topic: 'orders', value: { id: 2 } });
  outbox.enqueue({ topic: 'orders', key: 'k', value: null });
  outbox.enqueueMany([{ topic: 'notes', value: 'text' }]);
  // @ts-expect-error: no such topic
  outbox.enqueue({ topic: 'ordres', value: { id: 2 } });
  // @ts-expect-error: the value of another topic
  outbox.enqueue({ topic: 'orders', value: 'text' });
  // @ts-expect-error: the value of another topic
  await outbox.publish({ topic: 'notes', value: { id: 2 } });
});

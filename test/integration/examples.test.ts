/** The programs of examples/, run as they stand against a real Kafka. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Child } from '../support/child.ts';
import { Example } from '../support/example.ts';
import { KafkaBroker } from '../support/kafka.ts';

let kafka: KafkaBroker;
let example: Example;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
  await kafka.createTopic('orders', 1);
  await kafka.createTopic('visits', 1);
});
afterAll(() => kafka?.stop());
beforeEach(() => {
  example = new Example(kafka);
});
afterEach(() => example.close());

/** Totals of the orders, as the rows and as the records of the `orders` topic must be. */
async function expectOrders(...totals: number[]): Promise<void> {
  const rows = totals.map((total, index) => ({ id: index + 1, total }));
  expect(example.orders()).toEqual(rows);
  const events = rows.map((row) => ({ key: `order-${row.id}`, value: JSON.stringify(row) }));
  // Two keys may be in two lanes, which have no order between them.
  const records = await example.records('orders', events.length);
  expect(records.toSorted((a, b) => (String(a.key) < String(b.key) ? -1 : 1))).toEqual(events);
}

/** It ends by itself, has nothing to complain of, and has closed the file. */
async function ends(child: Child, end: object = { code: 0, signal: null }): Promise<void> {
  expect(await child.ended).toEqual(end);
  expect(child.errors).toEqual([]);
  expect(example.isClosed()).toBe(true);
}

describe('a program', () => {
  it.each([
    ['better-sqlite3', ['order 1 is placed', 'not placed: over the limit', 'order 2 is placed']],
    ['drizzle', ['order 1 is placed', 'not placed: Rollback', 'order 2 is placed']],
  ])('with %s writes an order and its event, or neither', async (name, said) => {
    const shop = example.start(`${name}.ts`);
    await shop.line('in Kafka');
    expect(shop.lines.slice(0, said.length)).toEqual(said);
    await example.delivered(2);
    shop.signal('SIGTERM');
    await ends(shop);
    await expectOrders(19.9, 5);
  });

  it('with Kysely does so in transactions that are asynchronous and overlap', async () => {
    const shop = example.start('kysely.ts');
    await shop.line('in Kafka');
    expect(shop.lines.slice(0, 3)).toEqual([
      'an order: fulfilled',
      'an order: rejected',
      'an order: fulfilled',
    ]);
    await example.delivered(4); // two orders, two visits
    shop.signal('SIGTERM');
    await ends(shop);
    await expectOrders(19.9, 5);
  });

  it('with Kysely loses what joins another’s transaction, keeps what is published', async () => {
    const shop = example.start('kysely.ts');
    await shop.line('in Kafka');
    // It was told that its visit is stored, and only then the transaction was rolled back.
    expect(shop.lines.slice(3, 5)).toEqual(['enqueue answers: stored', 'over the limit']);
    await example.delivered(4);
    const visits = await example.records('visits', 2);
    expect(visits.map(({ value }) => value)).toEqual(['published', 'published meanwhile']);
    shop.signal('SIGTERM');
    await ends(shop);
  });
});

describe('a server', () => {
  /** Starts it, and sends it an order. */
  async function serve(file: string) {
    const server = example.start(file);
    const line = await server.line('orders go to');
    const url = line.slice(line.indexOf('http'));
    const post = async (order: unknown) => {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(order) });
      return { status: response.status, body: (await response.json()) as unknown };
    };
    return { server, post };
  }

  it.each([
    ['Fastify', 'fastify/server.ts', { code: 0, signal: null }],
    // Nest's hooks send the signal again when they are through: a process that it ended says so.
    ['NestJS', 'nestjs/main.ts', { code: null, signal: 'SIGTERM' }],
  ])('of %s answers when an order is durable, and ends cleanly', async (_, file, end) => {
    const { server, post } = await serve(file);
    expect(await post({ total: 19.9 })).toEqual({ status: 201, body: { id: 1 } });
    const refused = await post({ total: 2_000 });
    expect(refused).toMatchObject({ status: 409, body: { message: 'over the limit' } });
    expect(await post({ total: 'much' })).toMatchObject({ status: 400 });
    expect(await post({ total: 5 })).toEqual({ status: 201, body: { id: 2 } });
    await example.delivered(2);
    server.signal('SIGTERM');
    await ends(server, end);
    expect(server.lines.at(-1)).toBe('closed');
    await expectOrders(19.9, 5);
  });
});

describe('a consumer', () => {
  it('with an inbox handles each event once, though it reads all of them again', async () => {
    const shop = example.start('better-sqlite3.ts');
    await shop.line('in Kafka');
    await example.delivered(2);
    shop.signal('SIGTERM');
    await ends(shop);
    const ids = await example.eventIds('orders', 2);
    const bills: (string | undefined)[] = [];
    for (const [group, status] of [
      ['first', 'handled'],
      ['again', 'duplicate'],
    ] as const) {
      const consumer = example.start('inbox.ts', [group]);
      for (const id of ids) await consumer.line(`${id} is ${status}`);
      consumer.signal('SIGTERM');
      await ends(consumer);
      bills.push(consumer.lines.at(-1));
    }
    expect(bills[0]).toMatch(/^\d+ bills$/);
    expect(bills[1]).toBe(bills[0]);
  });
});

describe('two processes', () => {
  it('share a file: events wait for the relay, and reach one that runs', async () => {
    const first = example.start('two-processes/app.ts', ['19.9', '2000', '5']);
    await ends(first);
    expect(first.lines).toEqual([
      'order 1 is placed',
      'not placed: over the limit',
      'order 2 is placed',
    ]);
    expect(example.status()).toMatchObject({ accepted: 2, pending: 2 });

    const relay = example.start('two-processes/relay.ts');
    await example.delivered(2);
    const second = example.start('two-processes/app.ts', ['7']);
    expect(await second.ended).toEqual({ code: 0, signal: null });
    await example.delivered(3);
    relay.signal('SIGTERM');
    await ends(relay);
    await expectOrders(19.9, 5, 7);
  });

  it('start in any order: the relay makes the file', async () => {
    const relay = example.start('two-processes/relay.ts');
    await relay.line('relaying');
    const app = example.start('two-processes/app.ts', ['19.9']);
    expect(await app.ended).toEqual({ code: 0, signal: null });
    await example.delivered(1);
    relay.signal('SIGTERM');
    await ends(relay);
    await expectOrders(19.9);
  });
});

describe('a suite of a user', () => {
  it('takes Kafka away, kills a relay where it hurts, and misses nothing', async () => {
    const suite = example.start('outage.test.ts');
    const end = await suite.ended;
    expect({ ...end, said: suite.lines.join('\n') }).toMatchObject({
      code: 0,
      said: expect.stringMatching(/pass 1\n(.*\n)*.*fail 0\n/),
    });
  }, 240_000);
});

/**
 * Kysely. Its transactions are asynchronous: while one awaits, other code runs. A handle of SQLite
 * has one transaction at most, so whatever that code writes on the same handle, an enqueue() of
 * another request too, joins the open transaction and vanishes with its rollback. Therefore:
 *
 * - The handle is Kysely's alone. What goes through Kysely waits until the transaction has ended.
 * - enqueue() is called only inside `inTransaction`, by the function that is handed out there.
 * - All other code calls publish(), which has a connection of its own. It waits for the lock that
 *   an open transaction holds: never await it inside of one.
 */
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect, type Transaction } from 'kysely';
import { createRelay, type OutboxEvent, openOutbox } from 'outbox-relay';

const { DB = 'shop.db', BROKERS = '127.0.0.1:9092' } = process.env;

const handle = new Database(DB);
handle.pragma('journal_mode = WAL');
handle.pragma('synchronous = FULL');
handle.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');
const outbox = openOutbox({ db: handle });

// Kysely's BEGIN takes no lock: a transaction that reads before it writes would fail with
// SQLITE_BUSY_SNAPSHOT when the relay, or publish(), commits in between. This one takes it at once.
const database = {
  prepare: (sql: string) => handle.prepare(sql === 'begin' ? 'begin immediate' : sql),
  close: () => handle.close(),
};
type Tables = { orders: { id: number; total: number } };
const shop = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });

type Work<T> = (trx: Transaction<Tables>, enqueue: (event: OutboxEvent) => void) => Promise<T>;
const inTransaction = <T>(work: Work<T>): Promise<T> =>
  shop.transaction().execute((trx) => work(trx, (event) => void outbox.enqueue(event)));

/** @param other what the transaction awaits; here, time for other requests to come in between */
const placeOrder = (total: number, other: () => Promise<unknown> = () => setTimeout(20)) =>
  inTransaction(async (trx, enqueue) => {
    const last = await trx
      .selectFrom('orders')
      .select('id')
      .orderBy('id', 'desc')
      .executeTakeFirst();
    const id = (last?.id ?? 0) + 1;
    await other();
    await trx.insertInto('orders').values({ id, total }).execute();
    enqueue({ topic: 'orders', key: `order-${id}`, value: { id, total } });
    if (total > 1_000) throw new Error('over the limit'); // takes the row and the event with it
    return id;
  });

// Four requests at once: the refused one harms no other.
const visit = (value: string) => ({ topic: 'visits', key: 'home', value });
const orders = [placeOrder(19.9), placeOrder(2_000), placeOrder(5)];
const visits = [outbox.publish(visit('published'))];
for (const { status } of await Promise.allSettled(orders)) console.log(`an order: ${status}`);

// The caveat: visits that come while the transaction of an order is open that will be refused.
const twoVisits = async () => {
  const { status } = outbox.enqueue(visit('enqueued')); // the mistake
  console.log(`enqueue answers: ${status}`); // it is, in a transaction that is not its own
  visits.push(outbox.publish(visit('published meanwhile'))); // the way to do it
};
await placeOrder(3_000, twoVisits).catch((error: Error) => console.log(error.message));
await Promise.all(visits);
console.log('the visit that was enqueued is gone');

const relay = createRelay({ db: DB, brokers: BROKERS.split(',') });
relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
relay.on('circuit', ({ state }) => console.log(`the circuit to Kafka is ${state}`));
await relay.start();

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await relay.stop();
await outbox.close();
await shop.destroy(); // closes the handle

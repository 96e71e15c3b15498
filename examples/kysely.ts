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
import Database from 'better-sqlite3';
import { type Generated, Kysely, SqliteDialect, type Transaction } from 'kysely';
import { createRelay, type OutboxEvent, openOutbox } from 'outbox-relay';

const { DB = 'shop.db', BROKERS = '127.0.0.1:9092' } = process.env;

const handle = new Database(DB);
handle.pragma('journal_mode = WAL');
handle.pragma('synchronous = FULL');
handle.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');

interface Tables {
  orders: { id: Generated<number>; total: number };
}
const shop = new Kysely<Tables>({ dialect: new SqliteDialect({ database: handle }) });
const outbox = openOutbox({ db: handle });

type Work<T> = (trx: Transaction<Tables>, enqueue: (event: OutboxEvent) => void) => Promise<T>;
const inTransaction = <T>(work: Work<T>): Promise<T> =>
  shop.transaction().execute((trx) => work(trx, (event) => void outbox.enqueue(event)));

/** @param check anything that is awaited in the transaction; when it throws, all is rolled back */
const placeOrder = (total: number, check: () => Promise<void>): Promise<number> =>
  inTransaction(async (trx, enqueue) => {
    const row = trx.insertInto('orders').values({ total }).returning('id');
    const { id } = await row.executeTakeFirstOrThrow();
    enqueue({ topic: 'orders', key: `order-${id}`, value: { id, total } });
    await check();
    return id;
  });

const agrees = async () => {};
const refuses = () => Promise.reject(new Error('over the limit'));
// At once, as requests are: each has its own transaction, and the refused one harms no other.
const requests = [placeOrder(19.9, agrees), placeOrder(2_000, refuses), placeOrder(5, agrees)];
for (const { status } of await Promise.allSettled(requests)) console.log(`an order: ${status}`);

// The caveat: two visits are noted while the transaction of somebody's order is open.
const visits: Promise<unknown>[] = [];
const meanwhile = async () => {
  const { status } = outbox.enqueue({ topic: 'visits', value: 'enqueued' }); // the mistake
  console.log(`enqueue answers: ${status}`); // so it is, in a transaction that is not its own
  visits.push(outbox.publish({ topic: 'visits', value: 'published' })); // the way to do it
  await refuses();
};
await placeOrder(3_000, meanwhile).catch((error: Error) => console.log(error.message));
await Promise.all(visits);
console.log('of the two visits, only the published one is left');

const relay = createRelay({ db: DB, brokers: BROKERS.split(',') });
relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
relay.on('circuit', ({ state }) => console.log(`the circuit to Kafka is ${state}`));
await relay.start();

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await relay.stop();
await outbox.close();
await shop.destroy(); // closes the handle

/** Drizzle on better-sqlite3: the outbox is attached to the handle that Drizzle uses. */
import { once } from 'node:events';
import Database from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { integer, real, sqliteTable } from 'drizzle-orm/sqlite-core';
import { createRelay, openOutbox } from 'outbox-relay';

const { DB = 'shop.db', BROKERS = '127.0.0.1:9092' } = process.env;

const client = new Database(DB);
client.pragma('journal_mode = WAL');
client.pragma('synchronous = FULL');
client.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');

const orders = sqliteTable('orders', { id: integer().primaryKey(), total: real().notNull() });
const db = drizzle({ client });
const outbox = openOutbox({ db: client });

/** Synchronous: nothing else runs on the handle between its BEGIN and its COMMIT. */
function placeOrder(total: number): number {
  return db.transaction(
    (tx) => {
      const { id } = tx.insert(orders).values({ total }).returning({ id: orders.id }).get();
      outbox.enqueue({ topic: 'orders', key: `order-${id}`, value: { id, total } });
      if (total > 1_000) tx.rollback(); // throws; takes the row and the event with it
      return id;
    },
    { behavior: 'immediate' }, // locked from its first line, also when it reads before it writes
  );
}

console.log(`order ${placeOrder(19.9)} is placed`);
try {
  placeOrder(2_000);
} catch (error) {
  console.log(`not placed: ${(error as Error).message}`);
}
console.log(`order ${placeOrder(5)} is placed`);

const relay = createRelay({ db: DB, brokers: BROKERS.split(',') });
relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
relay.on('circuit', ({ state }) => console.log(`the circuit to Kafka is ${state}`));
await relay.start();

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await relay.stop();
await outbox.close();
client.close();

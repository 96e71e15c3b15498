/** better-sqlite3 alone: a business row and its event in one transaction, both or neither. */
import { once } from 'node:events';
import Database from 'better-sqlite3';
import { createRelay, openOutbox } from 'outbox-relay';

const { DB = 'shop.db', BROKERS = '127.0.0.1:9092' } = process.env;

const db = new Database(DB);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL'); // a COMMIT that returned survives a power cut
db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');
const insertOrder = db.prepare('INSERT INTO orders (total) VALUES (?)');

const outbox = openOutbox({ db }); // its tables go into the same file

const placeOrder = db.transaction((total: number): number => {
  const id = Number(insertOrder.run(total).lastInsertRowid);
  outbox.enqueue({ topic: 'orders', key: `order-${id}`, value: { id, total } });
  if (total > 1_000) throw new Error('over the limit'); // takes the row and the event with it
  return id;
});

// Locked from the first line: a transaction that reads before it writes fails with SQLITE_BUSY when
// another connection commits in between, and the relay is one.
console.log(`order ${placeOrder.immediate(19.9)} is placed`);
try {
  placeOrder.immediate(2_000);
} catch (error) {
  console.log(`not placed: ${(error as Error).message}`);
}
console.log(`order ${placeOrder.immediate(5)} is placed`);

// Until here neither Kafka nor a relay was needed; both may come later.
const relay = createRelay({ db: DB, brokers: BROKERS.split(',') });
relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
relay.on('circuit', ({ state }) => console.log(`the circuit to Kafka is ${state}`));
await relay.start();

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await relay.stop();
await outbox.close(); // the handle is yours and stays open
db.close();

/** The application: places an order of each total that it is given, and ends. Knows no Kafka. */
import Database from 'better-sqlite3';
import { openOutbox } from 'outbox-relay';

const { DB = 'shop.db' } = process.env;

const db = new Database(DB);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');
const insertOrder = db.prepare('INSERT INTO orders (total) VALUES (?)');

const outbox = openOutbox({ db });

const placeOrder = db.transaction((total: number): number => {
  const id = Number(insertOrder.run(total).lastInsertRowid);
  outbox.enqueue({ topic: 'orders', key: `order-${id}`, value: { id, total } });
  if (total > 1_000) throw new Error('over the limit'); // takes the row and the event with it
  return id;
});

for (const total of process.argv.slice(2).map(Number)) {
  try {
    // The relay commits to the same file: take the lock first, and wait for it if need be.
    console.log(`order ${placeOrder.immediate(total)} is placed`);
  } catch (error) {
    console.log(`not placed: ${(error as Error).message}`);
  }
}

await outbox.close();
db.close();

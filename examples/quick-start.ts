import Database from 'better-sqlite3';
import { createRelay, openOutbox } from 'outbox-relay';

const db = new Database('shop.db');
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');

const outbox = openOutbox({ db });
const placeOrder = db.transaction((total: number) => {
  const { lastInsertRowid: id } = db.prepare('INSERT INTO orders (total) VALUES (?)').run(total);
  outbox.enqueue({ topic: 'orders', key: `order-${id}`, value: { id: Number(id), total } });
});

placeOrder(19.9); // both rows or neither; no Kafka, no Redis needed

const relay = createRelay({ db: 'shop.db', brokers: ['127.0.0.1:9092'] });
relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
await relay.start();

/** Fastify with the relay in the same process: `POST /orders` writes the row and its event. */
import Database from 'better-sqlite3';
import fastify from 'fastify';
import { createRelay, openOutbox } from 'outbox-relay';

const { DB = 'shop.db', BROKERS = '127.0.0.1:9092', PORT = '3000' } = process.env;

const db = new Database(DB);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');
const insertOrder = db.prepare('INSERT INTO orders (total) VALUES (?)');

const outbox = openOutbox({ db });
const relay = createRelay({ db: DB, brokers: BROKERS.split(',') });
const app = fastify();

/** Synchronous, so that no other request comes between its BEGIN and its COMMIT. */
const placeOrder = db.transaction((total: number): number => {
  const id = Number(insertOrder.run(total).lastInsertRowid);
  outbox.enqueue({ topic: 'orders', key: `order-${id}`, value: { id, total } });
  if (total > 1_000) throw Object.assign(new Error('over the limit'), { statusCode: 409 });
  return id;
});

const body = {
  type: 'object',
  required: ['total'],
  properties: { total: { type: 'number', exclusiveMinimum: 0 } },
};
app.post<{ Body: { total: number } }>('/orders', { schema: { body } }, async (request, reply) => {
  const id = placeOrder.immediate(request.body.total);
  // Durable from here on, whether Kafka is there or not.
  return reply.code(201).send({ id });
});

relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
relay.on('circuit', ({ state }) => console.log(`the circuit to Kafka is ${state}`));
relay.on('laneFailed', ({ failure }) => console.warn(failure.code, failure.message));
relay.on('warning', ({ code, message }) => console.warn(code, message));

app.addHook('onReady', () => relay.start()); // Kafka may be away
// Runs when the last request has been answered: nothing is written any more.
app.addHook('onClose', async () => {
  await relay.stop();
  await outbox.close();
  db.close();
  console.log('closed');
});

// The library installs no signal handlers: the process is yours.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close());

const address = await app.listen({ port: Number(PORT), host: '127.0.0.1' });
console.log(`orders go to ${address}/orders`);

/** A consumer: adds up what was ordered, each order once, though Kafka may give it twice. */
import { once } from 'node:events';
import Database from 'better-sqlite3';
import { Kafka, logLevel } from 'kafkajs';
import { createInbox } from 'outbox-relay/inbox';

const { DB = 'billing.db', BROKERS = '127.0.0.1:9092' } = process.env;
// A new group reads everything again, as after a rewind by hand.
const groupId = process.argv[2] ?? 'billing';

const db = new Database(DB);
db.pragma('journal_mode = WAL');
db.exec('CREATE TABLE IF NOT EXISTS bills (id INTEGER PRIMARY KEY, total REAL NOT NULL)');
const insertBill = db.prepare('INSERT INTO bills (total) VALUES (?)');

const inbox = createInbox({ db }); // its tables go into the same file

const kafka = new Kafka({ brokers: BROKERS.split(','), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topics: ['orders'], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const { total } = JSON.parse(String(message.value)) as { total: number };
    // The bill and the event's id: both or neither.
    const { id, status } = inbox.handle(message, () => insertBill.run(total));
    console.log(`${id} is ${status}`);
  },
});

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await consumer.disconnect();
console.log(`${db.prepare('SELECT count(*) FROM bills').pluck().get()} bills`);
db.close();

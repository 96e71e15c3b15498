/** The relay: brings to Kafka what the application has committed, until it is told to stop. */
import { once } from 'node:events';
import { createRelay } from 'outbox-relay';

const { DB = 'shop.db', BROKERS = '127.0.0.1:9092' } = process.env;

const relay = createRelay({ db: DB, brokers: BROKERS.split(',') });
relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
relay.on('circuit', ({ state }) => console.log(`the circuit to Kafka is ${state}`));
relay.on('laneFailed', ({ failure }) => console.warn(failure.code, failure.message));
relay.on('warning', ({ code, message }) => console.warn(code, message));
await relay.start();
console.log('relaying');

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await relay.stop(); // lets running sends end; what is left goes with the next start

/** The outbox and its relay as providers: opened when asked for, stopped when the app is. */
import {
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import Database from 'better-sqlite3';
import { createRelay, type Outbox, openOutbox, type Relay } from 'outbox-relay';

export const DATABASE = Symbol('the better-sqlite3 handle');
export const OUTBOX = Symbol('the outbox on that handle');
const RELAY = Symbol('the relay of its file');

const { DB = 'shop.db', BROKERS = '127.0.0.1:9092' } = process.env;

function openDatabase(): Database.Database {
  const db = new Database(DB);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL NOT NULL)');
  return db;
}

function makeRelay(): Relay {
  const relay = createRelay({ db: DB, brokers: BROKERS.split(',') });
  relay.on('delivered', ({ count }) => console.log(`${count} in Kafka`));
  relay.on('circuit', ({ state }) => console.log(`the circuit to Kafka is ${state}`));
  relay.on('laneFailed', ({ failure }) => console.warn(failure.code, failure.message));
  relay.on('warning', ({ code, message }) => console.warn(code, message));
  return relay;
}

class OutboxLife implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #db: Database.Database;
  readonly #outbox: Outbox;
  readonly #relay: Relay;

  constructor(db: Database.Database, outbox: Outbox, relay: Relay) {
    this.#db = db;
    this.#outbox = outbox;
    this.#relay = relay;
  }

  onApplicationBootstrap(): Promise<void> {
    return this.#relay.start(); // Kafka may be away
  }

  /** The last of Nest’s hooks: all requests are answered, nothing is written any more. */
  async onApplicationShutdown(): Promise<void> {
    await this.#relay.stop();
    await this.#outbox.close();
    this.#db.close();
    console.log('closed');
  }
}
// Decorators as calls: see main.ts.
Injectable()(OutboxLife);
for (const [index, token] of [DATABASE, OUTBOX, RELAY].entries()) {
  Inject(token)(OutboxLife, undefined, index);
}

export class OutboxModule {}
Module({
  providers: [
    { provide: DATABASE, useFactory: openDatabase },
    {
      provide: OUTBOX,
      useFactory: (db: Database.Database) => openOutbox({ db }),
      inject: [DATABASE],
    },
    { provide: RELAY, useFactory: makeRelay },
    OutboxLife,
  ],
  exports: [DATABASE, OUTBOX],
})(OutboxModule);

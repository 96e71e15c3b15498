/** The rival's outbox: its table in PostgreSQL. Values are base64 there, for it stores JSON. */
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type ClientConfig, Pool } from 'pg';
import {
  DatabaseSetup,
  executeTransaction,
  getDisabledLogger,
  initializeMessageStorage,
  type TransactionalMessage,
} from 'pg-transactional-outbox';
import { pause } from '../../demo/client.ts';
import type { RawEvent } from '../events.ts';
import {
  type ListenerName,
  listeners,
  outboxOrInbox,
  segments,
  settings,
  setup,
} from './listeners.ts';

const groupEvents = 1_000;
const lookMs = 20;

export class RivalOutbox {
  readonly database: ClientConfig;
  readonly #pool: Pool;
  readonly #store = initializeMessageStorage({ outboxOrInbox, settings }, getDisabledLogger());
  #listener: ListenerName = 'replication';
  #closed = false;

  constructor(database: ClientConfig) {
    this.database = database;
    this.#pool = new Pool(database);
    // An interruption stops the server under it, and then there is nothing left to do.
    this.#pool.on('error', () => {});
  }

  /** The one that it is made for. */
  get listener(): ListenerName {
    return this.#listener;
  }

  /** Makes the outbox anew, without events, for this listener. */
  async renew(listener: ListenerName): Promise<void> {
    await this.#dropSlots();
    const table = DatabaseSetup.dropAndCreateTable(setup);
    for (const sql of [table, ...listeners[listener].setUp]) await this.#pool.query(sql);
    this.#listener = listener;
  }

  /** A backlog, 1,000 events in a transaction. */
  async acceptAll(events: readonly RawEvent[]): Promise<void> {
    for (let from = 0; from < events.length; from += groupEvents) {
      await this.#accept(events.slice(from, from + groupEvents));
    }
  }

  publish(event: RawEvent): Promise<void> {
    return this.#accept([event]);
  }

  /** Events that are neither marked as delivered nor given up. */
  waiting(): Promise<number> {
    return this.#count('processed_at IS NULL AND abandoned_at IS NULL');
  }

  abandoned(): Promise<number> {
    return this.#count('abandoned_at IS NOT NULL');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.end();
  }

  async #accept(events: readonly RawEvent[]): Promise<void> {
    await executeTransaction(await this.#pool.connect(), async (client) => {
      for (const event of events) await this.#store(messageOf(event), client);
    });
  }

  async #count(condition: string): Promise<number> {
    const query = `SELECT count(*)::int AS count FROM outbox WHERE ${condition}`;
    const { rows } = await this.#pool.query<{ count: number }>(query);
    return rows[0]?.count ?? 0;
  }

  /** PostgreSQL lets go of a slot a moment after its reader has gone; unread it would keep WAL. */
  async #dropSlots(): Promise<void> {
    const active = 'SELECT 1 FROM pg_replication_slots WHERE active';
    while ((await this.#pool.query(active)).rows.length > 0) await pause(lookMs);
    await this.#pool.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
  }
}

function messageOf({ key, value }: RawEvent): TransactionalMessage {
  return {
    id: randomUUID(),
    aggregateType: 'bench',
    aggregateId: key,
    messageType: 'event',
    segment: `segment-${crc32(key) % segments}`,
    payload: { value: value.toString('base64') },
  };
}

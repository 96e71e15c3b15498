/**
 * How pg-transactional-outbox learns of events: by logical replication or by polling. It is set up
 * as its README does for an outbox and, where that leaves a choice, in the way that was the fastest
 * here (1,000 to 2,000 events, 2 cores, PostgreSQL 15, events/s):
 *
 * - Replication 470 with the mutex, which is its default, 860 to 1,640 with the segment mutex;
 *   polling 130 to 290 with batches of 5 to 500, as each poll looks through all that waits. So the
 *   rate is taken with replication and the segment mutex; both keep the order of a key.
 * - A segment is one of 50 groups of keys: 1,640 instead of the 1,270 of a segment for each of the
 *   1,000 keys. As many connections and as large a batch, for each event holds a connection and one
 *   event of a segment is under way at a time. Polls wait 250 ms, as in its README.
 *
 * Attempts (5), time-outs (15 s), locks (5 s) and restarts (after 250 ms) are its defaults. Both
 * protections are off, as in its example of an outbox; 0.5.7 gives an event up after the fifth
 * attempt all the same. Both listeners go through the outage, for each has what the other lacks:
 * replication may be told of an event before PostgreSQL shows the row to others, and 0.5.7 then
 * passes over it (its issue #4; with the mutex too), which polling does not.
 */
import type { ClientConfig, PoolConfig } from 'pg';
import {
  createReplicationSegmentMutexConcurrencyController,
  DatabaseSetup,
  type GeneralMessageHandler,
  getDisabledLogger,
  initializePollingMessageListener,
  initializeReplicationMessageListener,
} from 'pg-transactional-outbox';
import { role } from './postgres.ts';

export type ListenerName = 'replication' | 'polling';

interface Listener {
  /** What it needs in the database besides the table; a transaction each. */
  readonly setUp: readonly string[];
  /** Begins to hand events to the handler. The result ends that. */
  start(database: ClientConfig, handler: GeneralMessageHandler): () => Promise<void>;
}

export const segments = 50;
export const outboxOrInbox = 'outbox' as const;

export const settings = {
  dbSchema: 'public',
  dbTable: 'outbox',
  enableMaxAttemptsProtection: false,
  enablePoisonousMessageProtection: false,
};

const dbPublication = 'bench_publication';
const dbReplicationSlot = 'bench_slot';
const nextMessagesFunctionName = 'next_outbox_messages';

/** The same names, as its set-up calls them. */
export const setup = {
  outboxOrInbox,
  database: 'postgres',
  schema: settings.dbSchema,
  table: settings.dbTable,
  listenerRole: role,
  publication: dbPublication,
  replicationSlot: dbReplicationSlot,
  nextMessagesName: nextMessagesFunctionName,
};

function databases(database: ClientConfig) {
  const dbHandlerConfig: PoolConfig = { ...database, max: segments };
  return { outboxOrInbox, dbListenerConfig: database, dbHandlerConfig };
}

const replication: Listener = {
  setUp: [DatabaseSetup.setupReplicationCore(setup), DatabaseSetup.setupReplicationSlot(setup)],
  start(database, handler) {
    const own = { dbPublication, dbReplicationSlot };
    const config = { ...databases(database), settings: { ...settings, ...own } };
    const concurrencyStrategy = createReplicationSegmentMutexConcurrencyController();
    const strategies = { concurrencyStrategy };
    const logger = getDisabledLogger();
    const [shutdown] = initializeReplicationMessageListener(config, handler, logger, strategies);
    return shutdown;
  },
};

const polling: Listener = {
  setUp: [DatabaseSetup.createPollingFunction(setup), DatabaseSetup.setupPollingIndexes(setup)],
  start(database, handler) {
    const pace = { nextMessagesBatchSize: segments, nextMessagesPollingIntervalInMs: 250 };
    const own = { nextMessagesFunctionName, ...pace };
    const config = { ...databases(database), settings: { ...settings, ...own } };
    const [shutdown] = initializePollingMessageListener(config, handler, getDisabledLogger());
    return shutdown;
  },
};

export const listeners: Readonly<Record<ListenerName, Listener>> = { replication, polling };

/** On a disk of its own with little room: fills it in one of several ways, and says what came. */
import { existsSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { systemClock } from '../../src/core/clock.ts';
import {
  createRelay,
  type Outbox,
  type OutboxRelayError,
  openOperator,
  openOutbox,
} from '../../src/index.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import { until } from './wait.ts';

const [folder = '', scenario = ''] = process.argv.slice(2);
const path = join(folder, 'outbox.db');
const filler = join(folder, 'filler');
const value = Buffer.alloc(50_000, 'x');

const reserveIsThere = () => existsSync(`${path}-reserve`);
const freeBytes = () => {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
};
const codeOf = (error: unknown) => (error as OutboxRelayError).code;

function makeRelay(options: { retentionMs: number } = { retentionMs: 0 }) {
  const driver = new MemoryDriver();
  driver.goAway();
  const given = { db: path, brokers: ['127.0.0.1:1'], retry: { delayMs: 100 }, ...options };
  return { driver, relay: createRelay(given, { createDriver: () => driver }) };
}

/** What is left of the disk is taken by somebody else. */
function fillUp(butBytes = 0): number {
  writeFileSync(filler, Buffer.alloc(freeBytes() - butBytes));
  return freeBytes();
}

/** Until the door or the disk says no. */
async function fill(outbox: Outbox): Promise<{ accepted: number; refusal: OutboxRelayError }> {
  for (let accepted = 0; ; accepted += 1) {
    try {
      await outbox.publish({ topic: 'orders', key: `k${accepted % 50}`, value });
    } catch (error) {
      return { accepted, refusal: error as OutboxRelayError };
    }
  }
}

function countEvents(): number {
  const db = new Database(path);
  const count = db.prepare('SELECT count(*) FROM outbox_events').pluck().get() as number;
  db.close();
  return count;
}

/** Events without a bound at the door, up to the last byte; then Kafka comes back. */
async function drain(): Promise<object> {
  const { driver, relay } = makeRelay();
  await relay.start();
  const reserveAtStart = reserveIsThere();
  const outbox = openOutbox({ path }, { bounds: { freeDiskBytes: 0 } });
  const { accepted, refusal } = await fill(outbox);
  const bytesWhenFull = statSync(path).size;
  const free = fillUp();
  driver.comeBack();
  const delivered = () => driver.recordsOf('orders').length;
  await until('everything accepted is delivered', () => relay.status().pending === 0);
  const reserveWhenFull = reserveIsThere();
  // The filler is still there: deleting, and giving back, must do without any other room.
  await until('what is delivered is deleted', () => countEvents() === 0);
  await until('the file is small again', () => statSync(path).size < bytesWhenFull / 4);
  rmSync(filler);
  await until('the reserve is back', reserveIsThere);
  await outbox.publish({ topic: 'orders', key: 'after', value });
  await until('the next one is delivered', () => delivered() > accepted);
  await relay.stop();
  await outbox.close();
  const reserve = { reserveAtStart, reserveWhenFull };
  return { accepted, code: refusal.code, free, delivered: delivered(), ...reserve };
}

/** The disk becomes full while nothing of ours runs: who may open the file then? */
async function restart(): Promise<object> {
  const first = makeRelay();
  await first.relay.start();
  const before = openOutbox({ path }, { bounds: { freeDiskBytes: 0 } });
  for (let n = 0; n < 50; n += 1) await before.publish({ topic: 'orders', key: 'k', value });
  await before.close();
  await first.relay.stop();
  const free = fillUp();
  let writer = 'opened';
  try {
    await openOutbox({ path }).close();
  } catch (error) {
    writer = codeOf(error);
  }
  const reserveAfterWriter = reserveIsThere();
  const second = makeRelay();
  await second.relay.start();
  const reserveAfterRelay = reserveIsThere();
  second.driver.comeBack();
  await until('everything is delivered', () => second.relay.status().pending === 0);
  await second.relay.stop();
  const delivered = second.driver.recordsOf('orders').length;
  return { free, writer, reserveAfterWriter, reserveAfterRelay, delivered };
}

/** An operator makes room on a full disk, with no relay about. */
async function operate(): Promise<object> {
  const { relay } = makeRelay();
  await relay.start();
  await relay.stop();
  const free = fillUp();
  const operator = openOperator(path);
  const paused = operator.pause({ all: true }, { actor: 'ann', reason: 'the disk is full' });
  const audited = operator.audit().length;
  operator.close();
  return { free, paused, audited, reserve: reserveIsThere() };
}

/**
 * The room ends where SQLite's index of the log (`-shm`) has to grow, at 4,062 pages of the log:
 * SQLite calls that an I/O error.
 */
async function indexEdge(): Promise<object> {
  const opened = openSqliteOutbox({ path }, { clock: systemClock, schema: 'auto' });
  const store = opened.openStore();
  await store.announceOwner('me');
  const reader = new Database(path);
  reader.exec('BEGIN');
  reader.prepare('SELECT * FROM outbox_meta').all();
  const heartbeat = { owner: 'me', phase: 'running', circuit: 'closed' } as const;
  const beat = () => store.writeHeartbeat({ ...heartbeat, atMs: Date.now(), ratePerSecond: 0 });
  const frames = () => Math.floor((statSync(`${path}-wal`).size - 32) / (4_096 + 24));
  while (frames() < 4_062) await beat();
  const shmBytes = statSync(`${path}-shm`).size;
  const atEdge = { frames: frames(), shmBytes };
  fillUp(2 * 4_096);
  for (let times = 0; times < 4; times += 1) await beat();
  const grown = statSync(`${path}-shm`).size > shmBytes;
  reader.close();
  store.close();
  opened.close();
  return { ...atEdge, grown, reserve: reserveIsThere() };
}

/** A slow reader keeps the log growing beside a small file, until the door says no. */
async function slowReader(): Promise<object> {
  const { driver, relay } = makeRelay({ retentionMs: 3_600_000 });
  await relay.start();
  const outbox = openOutbox({ path });
  const reader = new Database(path);
  reader.exec('BEGIN');
  reader.prepare('SELECT * FROM outbox_events').all();
  const { accepted, refusal } = await fill(outbox);
  const walBytes = () => statSync(`${path}-wal`).size;
  const walWithReader = walBytes();
  const freeWithReader = freeBytes();
  reader.exec('COMMIT');
  reader.close();
  // Kafka is still away, and nothing is deleted: the log alone gives its room back.
  await until('the log is copied back', () => walBytes() < walWithReader / 2);
  await outbox.publish({ topic: 'orders', key: 'after', value });
  driver.comeBack();
  await until('everything is delivered', () => relay.status().pending === 0);
  await relay.stop();
  await outbox.close();
  const delivered = driver.recordsOf('orders').length;
  const facts = { code: refusal.code, ...refusal.details, walWithReader, freeWithReader };
  return { accepted, delivered, ...facts };
}

/** A burst within the time for which a look at the disk is believed: no clock moves at all. */
async function burst(): Promise<object> {
  const clock = { ...systemClock, monotonic: () => 0 };
  const bound = 32 * 1_024 ** 2;
  const outbox = openOutbox({ path }, { clock, bounds: { freeDiskBytes: bound } });
  const { accepted, refusal } = await fill(outbox);
  const free = freeBytes();
  await outbox.close();
  return { accepted, bound: refusal.details['bound'], free };
}

const scenarios = { burst, drain, restart, operate, indexEdge, slowReader };
const facts = await scenarios[scenario as keyof typeof scenarios]();
process.stdout.write(JSON.stringify(facts));

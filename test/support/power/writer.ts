/**
 * A process that writes events until it is killed, in groups: shared commits and transactions of
 * its own in turn. It writes a few and waits for a line on its stdin before it goes on without end.
 * One argument: JSON. Prints lines of JSON: which numbers are about to be issued, and of each what
 * became of it, only when that is known.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { v7 as uuidv7 } from 'uuid';
import { migrateOutbox, openOutbox } from '../../../src/index.ts';
import { bodyOf, groupsBefore, keyOf, type WriterLine } from './events.ts';

interface Given {
  readonly path: string;
  readonly topic: string;
  readonly lanes: number;
  /** The first number. */
  readonly from: number;
  readonly groupEvents: number;
  /**
   * `raw`: rows by the table contract, with synchronous=FULL. `unsynced` is the mutant: the same
   * with synchronous=OFF.
   */
  readonly how: 'library' | 'raw' | 'unsynced';
}

const given = JSON.parse(process.argv[2] ?? '{}') as Given;
const { path, topic, lanes, groupEvents } = given;
/** Waits for room in the pipe: what process.stdout keeps for later would die with the process. */
function say(line: WriterLine): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}
const eventOf = (number: number) => ({ topic, key: keyOf(number), value: bodyOf(number) });
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

const write = given.how === 'library' ? byLibrary() : byTable(given.how);
for (let number = given.from, round = 0; ; number += groupEvents, round += 1) {
  const numbers = Array.from({ length: groupEvents }, (_, index) => number + index);
  say({ issued: [number, number + groupEvents - 1] });
  await write(numbers, round);
  if (round + 1 === groupsBefore) await once(process.stdin, 'data');
  await nextTurn();
}

type Write = (numbers: readonly number[], round: number) => Promise<void>;

function byLibrary(): Write {
  const outbox = openOutbox({ path }, { lanes });
  return async (numbers, round) => {
    if (round % 2 === 0) {
      const publishing = numbers.map(async (number) => {
        try {
          const { seq, id } = await outbox.publish(eventOf(number));
          say({ accepted: number, seq, id });
        } catch (error) {
          refused([number], error);
        }
      });
      await Promise.all(publishing);
      return;
    }
    try {
      const results = outbox.enqueueMany(numbers.map(eventOf));
      for (const [index, { seq, id }] of results.entries()) {
        say({ accepted: numbers[index] as number, seq, id });
      }
    } catch (error) {
      refused(numbers, error);
    }
  };
}

function refused(numbers: readonly number[], error: unknown): void {
  const { code = String(error) } = error as { code?: string };
  for (const number of numbers) say({ refused: number, code });
}

function byTable(how: 'raw' | 'unsynced'): Write {
  migrateOutbox(path, lanes);
  const db = new Database(path);
  db.pragma(`synchronous = ${how === 'raw' ? 'FULL' : 'OFF'}`);
  const insert = db.prepare(`
    INSERT INTO outbox_events (id, topic, lane, created_at, key, value) VALUES (?, ?, ?, ?, ?, ?)`);
  const insertAll = db.transaction((numbers: readonly number[]) =>
    numbers.map((number) => {
      const { key, value } = eventOf(number);
      const id = uuidv7();
      const lane = crc32(`${topic}\0${key}`) % lanes;
      const row = [id, topic, lane, Date.now(), Buffer.from(key), Buffer.from(value)];
      return { accepted: number, seq: Number(insert.run(...row).lastInsertRowid), id };
    }),
  );
  return async (numbers) => {
    for (const line of insertAll.immediate(numbers)) say(line);
  };
}

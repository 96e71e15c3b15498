/**
 * An application that is wrong: it tells that events are accepted before their COMMIT. One
 * argument: JSON. It is killed between both at the `killOn`-th transaction. `mutated: false`: the
 * sound one, which tells it afterwards, and is killed there.
 */
import { writeSync } from 'node:fs';
import Database from 'better-sqlite3';
import { openOutbox } from '../../src/index.ts';

interface Given {
  readonly db: string;
  readonly topic: string;
  readonly killOn: number;
  readonly mutated: boolean;
}

const { db: path, topic, killOn, mutated } = JSON.parse(process.argv[2] ?? '{}') as Given;
const db = new Database(path);
db.pragma('synchronous = FULL');
const outbox = openOutbox({ db });
for (let transaction = 1; transaction <= killOn; transaction += 1) {
  const values = [1, 2, 3].map((number) => `${transaction}.${number}`);
  const tell = () => writeSync(1, `${JSON.stringify({ transaction, ids, values })}\n`);
  db.exec('BEGIN IMMEDIATE');
  const ids = values.map((value) => outbox.enqueue({ topic, key: 'k', value }).id);
  if (mutated) tell();
  if (mutated && transaction === killOn) process.kill(process.pid, 'SIGKILL');
  db.exec('COMMIT');
  if (!mutated) tell();
}
process.kill(process.pid, 'SIGKILL');

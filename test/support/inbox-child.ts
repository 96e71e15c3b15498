/**
 * A consumer in a process of its own: handles events 1 to `count - 1` in an order of its own, and
 * writes each down. With `dieAt` it is killed inside the handler of that event.
 */
import Database from 'better-sqlite3';
import { createInbox } from '../../src/inbox/index.ts';

const [path = '', count = '0', seed = '1', dieAt = '0'] = process.argv.slice(2);
const db = new Database(path);
const inbox = createInbox({ db });
const add = db.prepare('INSERT INTO handled VALUES (?)');
const counts = { handled: 0, duplicate: 0, stale: 0 };
// Each of them once, in another order for each seed: `count` is a prime.
for (let step = 1; step < Number(count); step += 1) {
  const n = (step * Number(seed)) % Number(count);
  const id = `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const { status } = inbox.handle({ headers: { 'outbox-event-id': id } }, () => {
    add.run(n);
    if (n === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
  });
  counts[status] += 1;
}
db.close();
process.stdout.write(`${JSON.stringify(counts)}\n`);

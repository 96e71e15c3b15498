/**
 * A process that writes events until it is killed or has written its count, for tests of several
 * at once. One argument: JSON. Prints, for every acceptance and only after it, one line of JSON.
 */
import Database from 'better-sqlite3';
import { openOutbox } from '../../src/index.ts';

interface Given {
  readonly path: string;
  readonly name: string;
  readonly count: number;
  /** `hold` writes nothing: it takes the write lock and keeps it until it is killed. */
  readonly how: 'enqueue' | 'publish' | 'hold';
}

const { path, name, count, how } = JSON.parse(process.argv[2] ?? '{}') as Given;
const say = (facts: unknown) => process.stdout.write(`${JSON.stringify(facts)}\n`);
if (how === 'hold') holdLock();
else await write();

function holdLock(): void {
  new Database(path).exec('BEGIN IMMEDIATE');
  say({ holding: true });
  setInterval(() => {}, 60_000);
}

async function write(): Promise<void> {
  const outbox = openOutbox({ path });
  say({ opened: outbox.identity.outboxId });
  for (let number = 0; number < count; number += 1) {
    const event = { topic: 'orders', key: name, value: `${name} ${number}` };
    const { seq, id } = how === 'enqueue' ? outbox.enqueue(event) : await outbox.publish(event);
    say({ number, seq, id });
  }
  await outbox.close();
}

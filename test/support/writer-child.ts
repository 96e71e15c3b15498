/**
 * A process that writes events until it is killed or has written its count, for tests of several
 * at once. One argument: JSON. Prints, for every acceptance and only after it, one line of JSON.
 */
import { openOutbox } from '../../src/index.ts';

interface Given {
  readonly path: string;
  readonly name: string;
  readonly count: number;
  readonly how: 'enqueue' | 'publish';
}

const { path, name, count, how } = JSON.parse(process.argv[2] ?? '{}') as Given;
const outbox = openOutbox({ path });
process.stdout.write(`${JSON.stringify({ opened: outbox.identity.outboxId })}\n`);
for (let number = 0; number < count; number += 1) {
  const event = { topic: 'orders', key: name, value: `${name} ${number}` };
  const { seq, id } = how === 'enqueue' ? outbox.enqueue(event) : await outbox.publish(event);
  process.stdout.write(`${JSON.stringify({ number, seq, id })}\n`);
}
await outbox.close();

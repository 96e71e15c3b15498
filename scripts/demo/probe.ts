/**
 * The separate probe: started when the broker is dead, produces to a topic of its own until the
 * first success, tells when that was, and ends. "The broker is back" means this and nothing else.
 */
import { giveUp, impatientClient, pause } from './client.ts';
import {
  endWithMain,
  finish,
  type ProbeMessage,
  type ProbeTask,
  readTask,
  tell,
} from './messages.ts';

const pollMs = 50;

async function produceOnce(task: ProbeTask): Promise<boolean> {
  const producer = impatientClient(task.broker, 'demo-probe').producer({
    allowAutoTopicCreation: false,
    retry: { retries: 0 },
  });
  try {
    await producer.connect();
    await producer.send({ topic: task.probeTopic, acks: -1, messages: [{ value: 'there?' }] });
    return true;
  } catch (error) {
    // Not back yet, which is what this process waits out.
    process.stderr.write(`probe: ${String(error)}\n`);
    return false;
  } finally {
    void giveUp(producer);
  }
}

endWithMain();
const task = readTask<ProbeTask>();
while (!(await produceOnce(task))) await pause(pollMs);
await tell<ProbeMessage>({ type: 'answered', atMs: Date.now() });
finish();

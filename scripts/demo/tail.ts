/**
 * The demo's eye on Kafka, a process of its own: creates the topics, then counts the records of
 * `flights` by the end offsets of its partitions, twenty times a second, through all outages.
 *
 * The broker stamps records when it appends them (LogAppendTime), so that the moment of each
 * delivery can be read from the topic afterwards instead of from whoever watched.
 */
import { giveUp, impatientClient, pause } from './client.ts';
import { endWithMain, readTask, type TailMessage, type TailTask, tell } from './messages.ts';

const pollMs = 50;

async function createTopics(task: TailTask): Promise<boolean> {
  const admin = impatientClient(task.broker, 'demo-tail').admin();
  const { topic, partitions: numPartitions, probeTopic } = task;
  try {
    await admin.connect();
    const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }];
    await admin.createTopics({
      topics: [
        { topic, numPartitions, replicationFactor: 1, configEntries },
        { topic: probeTopic, numPartitions: 1, replicationFactor: 1 },
      ],
      waitForLeaders: true,
    });
    return true;
  } catch (error) {
    // Most likely the broker is still starting; the main process has the deadline.
    process.stderr.write(`topics: ${String(error)}\n`);
    return false;
  } finally {
    await giveUp(admin);
  }
}

/** Polls until the connection fails; what was last told stays true meanwhile. */
async function countWhileConnected(task: TailTask, told: { count: number }): Promise<void> {
  const admin = impatientClient(task.broker, 'demo-tail').admin();
  try {
    await admin.connect();
    for (;;) {
      const offsets = await admin.fetchTopicOffsets(task.topic);
      const count = offsets.reduce((sum, { high }) => sum + Number(high), 0);
      if (count !== told.count) await tell<TailMessage>({ type: 'records', count });
      told.count = count;
      await pause(pollMs);
    }
  } catch (error) {
    // The broker is away: that is what the demo is about. A new client tries again.
    process.stderr.write(`offsets: ${String(error)}\n`);
  } finally {
    await giveUp(admin);
  }
}

endWithMain();
const task = readTask<TailTask>();
while (!(await createTopics(task))) await pause(pollMs);
await tell<TailMessage>({ type: 'ready' });
const told = { count: -1 };
for (;;) {
  await countWhileConnected(task, told);
  await pause(pollMs);
}

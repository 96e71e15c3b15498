/** Our event broker as a process of its own. Usage: ours.ts BROKERS TOPIC FILE, see side.ts. */
import { createInterface } from 'node:readline';
import { KafkaEventBroker, type RasaEvent } from '../../src/rasa/index.ts';

const [url = '', topic = '', outbox_path = ''] = process.argv.slice(2);
const options = { url, topic, outbox_path, security_protocol: 'PLAINTEXT' };
const broker = new KafkaEventBroker({ ...options, partition_by_sender: true });
const say = (word: string) => process.stdout.write(`${JSON.stringify(word)}\n`);

say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  await broker.publish(JSON.parse(line) as RasaEvent);
  say('published');
}
await broker.close();

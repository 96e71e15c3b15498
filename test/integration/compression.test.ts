/** Each compression, sent by a relay and read back by Kafka's own Java consumer. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Compression, compressions } from '../../src/sink/security.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { Scene } from '../support/scene.ts';

let kafka: KafkaBroker;
beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());

/** A class of Kafka's, in the broker's container; what it prints. */
async function java(name: string, ...args: string[]): Promise<string[]> {
  const command = ['exec', kafka.container.id, 'java', '-cp', '/opt/kafka/libs/*', name, ...args];
  const options = { maxBuffer: 64 * 1_024 * 1_024 };
  const { stdout } = await promisify(execFile)('docker', command, options);
  return stdout.split('\n').filter((line) => line !== '');
}

const topicOf = (compression: Compression) => `compressed-${compression}`;
/** Together more than one block of 32 KiB, with text that repeats and text that does not. */
const valuesOf = (compression: Compression) =>
  Array.from({ length: 400 }, (_, number) => {
    return `${compression} ${number} ${'é'.repeat(number % 90)} ${crypto.randomUUID()}`;
  });

async function relay(compression: Compression): Promise<string[]> {
  const topic = topicOf(compression);
  await kafka.createTopic(topic, 1);
  const values = valuesOf(compression);
  const scene = new Scene();
  try {
    scene.outbox.enqueueMany(values.map((value, index) => ({ topic, key: `k${index}`, value })));
    const relaying = scene.relay(kafka.address, { kafka: { compression } });
    await relaying.start();
    await scene.drained(relaying);
  } finally {
    await scene.close();
  }
  return values.map((value, index) => `k${index}\t${value}`);
}

it('each compression is read back by the Java consumer as it was published', async () => {
  const published: string[] = [];
  for (const compression of compressions) published.push(...(await relay(compression)));
  const consumed = await java(
    'org.apache.kafka.tools.consumer.ConsoleConsumer',
    ...['--bootstrap-server', kafka.address, '--include', 'compressed-.*', '--from-beginning'],
    ...['--max-messages', String(published.length), '--timeout-ms', '60000'],
    ...['--property', 'print.key=true'], // a later name of it is unknown before Kafka 4.2
  );
  const records = consumed.filter((line) => !line.startsWith('Option --property is deprecated'));
  expect(records.toSorted()).toEqual(published.toSorted());
});

it('the records are in the broker’s log under the codec that was asked for', async () => {
  const files = compressions.map((compression) => {
    return `/var/lib/kafka/data/${topicOf(compression)}-0/00000000000000000000.log`;
  });
  const dump = await java('org.apache.kafka.tools.DumpLogSegments', '--files', files.join());
  const codecs = dump.flatMap(
    (line) => /compresscodec: (\w+)/.exec(line)?.[1]?.toLowerCase() ?? [],
  );
  expect([...new Set(codecs)].toSorted()).toEqual(compressions.toSorted());
});

/**
 * Both event brokers through the same outage of the same Kafka, side by side:
 * before its first start, a moment before it is killed, while it is away, after the application
 * was restarted meanwhile (a deployment), and after it came back.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { freePorts } from '../../src/testing/ports.ts';
import { BareKafka } from '../bench/bare.ts';
import { killContainer, removeContainer, startContainer } from '../demo/docker.ts';
import type { Endings } from '../demo/endings.ts';
import { chooseImages, kafkaSpec, startService } from '../demo/services.ts';
import { type Arrived, account, type Comparison, type Sent } from './report.ts';
import { Side } from './side.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const readyMs = 60_000;
/** Long enough that what is still to come has come: both sides have closed before. */
const quietMs = 3_000;
const arriveMs = 60_000;

export interface StoryOptions {
  /** Conversations. */
  readonly senders: number;
  /** Events of each conversation in each phase. */
  readonly events: number;
  readonly tell: (text: string) => void;
}

export async function compare(options: StoryOptions, endings: Endings): Promise<Comparison> {
  const { tell } = options;
  const [port = 0] = await freePorts(1);
  const brokers = `127.0.0.1:${port}`;
  const kafka = kafkaSpec(`outbox-relay-compare-${process.pid}`, chooseImages().kafka, port);
  const folder = mkdtempSync(join(tmpdir(), 'outbox-compare-'));
  endings.add(folder, async () => rmSync(folder, { recursive: true, force: true }));
  const sides = sidesOf(brokers, folder);
  for (const side of sides) endings.add(side.spec.name, () => side.end());
  const sent: Sent[] = [];
  const publish = async (phase: string) => {
    tell(phase);
    await publishAll({ ...options, phase, sides, sent });
  };

  await Promise.all(sides.map((side) => side.start()));
  await publish('before Kafka was started for the first time');
  endings.add(kafka.name, () => removeContainer(kafka.name));
  await startService(kafka);
  await answers(brokers, endings);
  await publish('a moment before Kafka was killed');
  await killContainer(kafka.name);
  await publish('while Kafka was away');
  tell('both applications are restarted');
  await Promise.all(sides.map((side) => side.end()));
  await Promise.all(sides.map((side) => side.start()));
  await publish('while Kafka was away, by the new application');
  await startContainer(kafka.name);
  const probe = await answers(brokers, endings);
  await publish('after Kafka was back');
  await Promise.all(sides.map((side) => side.end()));
  tell('what has arrived is read');
  const arrived = await read({ brokers, sides, wanted: sent.length, probe });
  return { ours: account(sent, arrived('ours')), original: account(sent, arrived('original')) };
}

function sidesOf(brokers: string, folder: string): Side[] {
  const script = (name: string) => join(root, 'scripts', 'rasa-compare', name);
  const ours = { name: 'ours', topic: 'rasa-ours', command: process.execPath } as const;
  const original = { name: 'original', topic: 'rasa-original', command: 'python3' } as const;
  const env = { PYTHONPATH: join(root, '.toolchain', 'python') };
  return [
    new Side({
      ...ours,
      args: [script('ours.ts'), brokers, ours.topic, join(folder, 'events.db')],
    }),
    new Side({ ...original, args: [script('original.py'), brokers, original.topic], env }),
  ];
}

interface Phase extends StoryOptions {
  readonly phase: string;
  readonly sides: readonly Side[];
  readonly sent: Sent[];
}

/** Each side publishes one after the other, as an assistant does; the sides do so at once. */
async function publishAll({ phase, sides, sent, senders, events }: Phase): Promise<void> {
  const batch: Sent[] = [];
  for (let event = 0; event < events; event += 1) {
    for (let sender = 1; sender <= senders; sender += 1) {
      const before = [...sent, ...batch].filter((one) => one.sender === `sender-${sender}`).length;
      batch.push({ phase, sender: `sender-${sender}`, number: before + 1 });
    }
  }
  await Promise.all(
    sides.map(async (side) => {
      for (const { sender, number } of batch) {
        const event = { event: 'user', timestamp: Date.now() / 1_000, metadata: { number } };
        await side.publish({ sender_id: sender, ...event });
      }
    }),
  );
  sent.push(...batch);
}

async function answers(brokers: string, endings: Endings): Promise<BareKafka> {
  const probe = new BareKafka(brokers);
  endings.add('the probe', () => probe.close());
  await probe.ready(readyMs);
  return probe;
}

interface Reading {
  readonly brokers: string;
  readonly sides: readonly Side[];
  /** Events that each side has sent. */
  readonly wanted: number;
  readonly probe: BareKafka;
}

/** Reads both topics to their ends; both sides have closed, so nothing follows. */
async function read({ brokers, sides, wanted, probe }: Reading) {
  const client = new Kafka({ brokers: [brokers], clientId: 'compare', logLevel: logLevel.NOTHING });
  const consumer = client.consumer({ groupId: 'compare', maxWaitTimeInMs: 100 });
  const arrived = new Map<string, Arrived[]>(sides.map(({ spec }) => [spec.topic, []]));
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [...arrived.keys()], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ topic, message }) => {
        const event = JSON.parse(String(message.value)) as {
          sender_id: string;
          metadata: { number: number };
        };
        arrived.get(topic)?.push({ sender: event.sender_id, number: event.metadata.number });
      },
    });
    await complete(arrived, wanted, probe);
  } finally {
    await consumer.disconnect();
  }
  return (name: string) => arrived.get(`rasa-${name}`) ?? [];
}

/** Until the topics hold no more than was read, and nothing came for a while. */
async function complete(arrived: Map<string, Arrived[]>, wanted: number, probe: BareKafka) {
  const endMs = performance.now() + arriveMs;
  let quietSinceMs = performance.now();
  let before = '';
  while (performance.now() < endMs) {
    const counts = [];
    for (const [topic, records] of arrived) counts.push([await probe.count(topic), records.length]);
    if (JSON.stringify(counts) !== before) quietSinceMs = performance.now();
    before = JSON.stringify(counts);
    const read = counts.every(([there, seen]) => there === seen);
    const all = counts.every(([there = 0]) => there >= wanted);
    if (read && (all || performance.now() - quietSinceMs > quietMs)) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('the topics could not be read to their ends');
}

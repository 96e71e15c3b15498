/**
 * The broker is killed under a steady stream of events and started again. Publishing goes on until
 * it is back, which an independent process tells that asks until it is answered; then whatever
 * waits may drain for a minute, and the topic is read.
 */
import { join } from 'node:path';
import { Child } from '../../demo/child.ts';
import { pause } from '../../demo/client.ts';
import { killContainer, startContainer } from '../../demo/docker.ts';
import type { Endings } from '../../demo/endings.ts';
import type { ProbeMessage } from '../../demo/messages.ts';
import type { OutageTimes } from '../../demo/recovery.ts';
import { type Account, accountFor, type Witnessed } from './account.ts';
import { Publishing } from './publishing.ts';
import type { Place, Side } from './sides.ts';
import { readTopic, stamped } from './topic.ts';

export interface OutagePlan extends Place {
  readonly endings: Endings;
  readonly outageSeconds: number;
  readonly tell: (text: string) => void;
}

const startMaxSeconds = 60;
const calmSeconds = 2;
const backMaxSeconds = 90;
const drainMaxSeconds = 60;
const lookMs = 50;
const topic = 'outage';
const probeTopic = 'probe';

/** Takes the side through an outage and closes it. */
export async function measureOutage(side: Side, plan: OutagePlan): Promise<Account> {
  const { kafka } = plan.services;
  await kafka.createTopic(topic, stamped);
  await kafka.createTopic(probeTopic);
  try {
    const seen = await endure(side, plan);
    return accountFor({ ...seen, consumed: await readTopic(kafka, topic) });
  } finally {
    await side.close();
    for (const one of [topic, probeTopic]) await kafka.deleteTopic(one);
  }
}

async function endure(side: Side, plan: OutagePlan): Promise<Omit<Witnessed, 'consumed'>> {
  const delivering = side.start(topic);
  plan.endings.add(side.name, () => delivering.stop());
  const publishing = new Publishing(topic, (event) => side.publish(topic, event));
  try {
    publishing.start();
    await firstDelivery(plan);
    const times = await breakBroker(plan);
    await publishing.stop();
    const { accepted } = publishing;
    plan.tell(`outage, ${side.name}: the broker is back, ${await side.waiting()} wait`);
    await drain(side);
    const own = { waiting: await side.waiting(), abandoned: await side.abandoned() };
    return { accepted, times, ...own, crashes: delivering.crashes };
  } finally {
    await publishing.stop();
    await delivering.stop();
  }
}

/** The side is at work, and some time before the outage is calm. */
async function firstDelivery({ services }: OutagePlan): Promise<void> {
  const endMs = performance.now() + startMaxSeconds * 1_000;
  while ((await services.kafka.count(topic)) === 0) {
    if (performance.now() > endMs) throw new Error(`nothing came within ${startMaxSeconds} s`);
    await pause(lookMs);
  }
  await pause(calmSeconds * 1_000);
}

async function breakBroker({ folder, services, outageSeconds }: OutagePlan): Promise<OutageTimes> {
  await killContainer(services.kafkaContainer);
  const killedAtMs = Date.now();
  const task = { broker: services.brokers, probeTopic };
  const probe = new Child<ProbeMessage>('probe', task, join(folder, 'probe.log'));
  try {
    await pause(outageSeconds * 1_000);
    const startedAtMs = Date.now();
    await startContainer(services.kafkaContainer);
    const late = new Promise<null>((resolve) => {
      setTimeout(resolve, backMaxSeconds * 1_000, null).unref();
    });
    const answer = await Promise.race([probe.next('answered'), late]);
    if (answer === null) throw new Error(`Kafka is not back after ${backMaxSeconds} s`);
    return { killedAtMs, startedAtMs, answeredAtMs: answer.atMs };
  } finally {
    await probe.stop();
  }
}

async function drain(side: Side): Promise<void> {
  const endMs = performance.now() + drainMaxSeconds * 1_000;
  while ((await side.waiting()) > 0 && performance.now() < endMs) await pause(lookMs);
}

/**
 * Relays and applications that are wrong on purpose, beside sound ones in the same story. What the
 * checker finds must tell them apart every time.
 */
import Database from 'better-sqlite3';
import type { RelayOptions } from '../../src/index.ts';
import { acceptedEvent, type Findings } from '../../src/testing/checker.ts';
import { Child } from '../support/child.ts';
import type { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';
import type { Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';
import type { Chance } from './form.ts';

export interface Story {
  readonly kafka: KafkaBroker;
  readonly scene: Scene;
  readonly chance: Chance;
  readonly mutated: boolean;
}

export interface Mutant {
  readonly name: string;
  /** Default: 2. */
  readonly lanes?: number;
  /** Takes its course; everything is delivered that ever will be. */
  run(story: Story): Promise<unknown>;
  /** Whether the findings are those of something wrong. */
  isCaught(findings: Findings): boolean;
}

const hasLost = ({ lost }: Findings) => lost > 0;
const options = { createTopics: 'never', batchEvents: 10 } as const;

async function drain({ kafka, scene }: Story): Promise<void> {
  const relay = scene.relay(kafka.address, options);
  await relay.start();
  await scene.drained(relay);
  await relay.stop();
}

/** What it has sent is on its way and never arrives; the sound one is killed while it waits. */
async function movedBeforeTheAck(story: Story): Promise<void> {
  const { kafka, scene, chance, mutated } = story;
  const network = await TcpProxy.listen(await freePort());
  scene.onClose(() => network.close());
  network.forwardTo(kafka.container.port);
  const how = { db: scene.db, brokers: [network.address], ...options };
  const given = { ...how, kind: 'hasty', mutated, on: chance.between(1, 4) };
  const child = Child.node('test/fault/mutant-relay.ts', [JSON.stringify(given)]);
  scene.onClose(() => child.kill());
  await child.line('settled');
  network.swallow();
  scene.enqueue(80);
  if (!mutated) {
    await child.line('sending');
    await child.kill();
  }
  const { signal } = await child.ended;
  if (signal !== 'SIGKILL') throw new Error(`it ended by itself: ${child.errors.join('\n')}`);
  await drain(story);
}

async function acceptedBeforeCommit(story: Story): Promise<void> {
  const { scene, chance, mutated } = story;
  scene.enqueue(5);
  const given = { db: scene.db, topic: scene.topic, mutated, killOn: chance.between(1, 9) };
  const child = Child.node('test/fault/mutant-writer.ts', [JSON.stringify(given)]);
  scene.onClose(() => child.kill());
  const { signal } = await child.ended;
  if (signal !== 'SIGKILL') throw new Error(`it ended by itself: ${child.errors.join('\n')}`);
  for (const line of child.lines) {
    const told = JSON.parse(line) as { ids: string[]; values: string[] };
    for (const [index, id] of told.ids.entries()) {
      const event = { topic: scene.topic, key: 'k', value: told.values[index] ?? '' };
      scene.accepted.push(acceptedEvent(event, { id }));
    }
  }
  await drain(story);
}

/** As the original does: an event whose tries are used up is gone. */
async function droppedAtTheLimit(story: Story): Promise<void> {
  const { kafka, scene, chance, mutated } = story;
  const network = await TcpProxy.listen(await freePort());
  scene.onClose(() => network.close());
  network.refuse();
  network.forwardTo(kafka.container.port);
  scene.enqueue(chance.between(5, 50));
  const retry = { retries: 3, delayMs: 50 };
  const relay = scene.relay(network.address, { ...options, retry });
  let failures = 0;
  relay.on('laneFailed', ({ lane }) => {
    failures += 1;
    if (mutated && failures > retry.retries) change(scene, dropAll, lane);
  });
  await relay.start();
  await until('the tries are used up', () => failures > retry.retries + 1);
  await relay.stop();
  await drain(story);
}

const dropAll = `UPDATE outbox_lanes SET delivered = delivered + 1,
  cursor = (SELECT max(seq) FROM outbox_events WHERE lane = outbox_lanes.lane) WHERE lane = ?`;

function change(scene: Scene, sql: string, ...values: unknown[]): void {
  const db = new Database(scene.db);
  try {
    db.prepare(sql).run(...values);
  } finally {
    db.close();
  }
}

/** One that was frozen before a send, and wakes when another has made it: both own the lane. */
async function drainedByTwoOwners(story: Story): Promise<void> {
  const { kafka, scene, chance, mutated } = story;
  scene.enqueue(chance.between(100, 300));
  const how = { ...options, delivery: 'exactly-once', leaseMs: 3_000, sendTimeoutMs: 2_000 };
  const on = chance.between(1, 6);
  const given = { db: scene.db, brokers: [kafka.address], ...how, kind: 'unfenced', mutated, on };
  const frozen = Child.node('test/fault/mutant-relay.ts', [JSON.stringify(given)]);
  scene.onClose(() => frozen.kill());
  await until('it is frozen', () => frozen.isStopped());
  const other = scene.relay(kafka.address, how as Partial<RelayOptions>);
  await other.start();
  await scene.drained(other);
  frozen.signal('SIGCONT');
  await frozen.line('sent');
  await scene.drained(other);
  await other.stop();
}

/** What AUTOINCREMENT is for. */
async function seqUsedAgain(story: Story): Promise<void> {
  const { kafka, scene, chance, mutated } = story;
  scene.enqueue(chance.between(20, 60));
  const relay = scene.relay(kafka.address, { ...options, retentionMs: 0 });
  await relay.start();
  await scene.drained(relay);
  const rows = new Database(scene.db, { readonly: true });
  scene.onClose(() => rows.close());
  const left = rows.prepare('SELECT count(*) FROM outbox_events').pluck();
  await until('the file is pruned', () => left.get() === 0);
  await relay.stop();
  if (mutated) change(scene, `DELETE FROM sqlite_sequence WHERE name = 'outbox_events'`);
  scene.enqueue(chance.between(1, 15));
  await drain(story);
}

export const mutants: readonly Mutant[] = [
  { name: 'cursor moved before the ack', run: movedBeforeTheAck, isCaught: hasLost },
  { name: 'accepted before the commit', run: acceptedBeforeCommit, isCaught: hasLost },
  { name: 'dropped at the retry limit', run: droppedAtTheLimit, isCaught: hasLost },
  {
    name: 'a lane drained by two owners',
    run: drainedByTwoOwners,
    lanes: 1, // another one's transaction would be left open, and hide what is behind it
    isCaught: ({ duplicated }) => duplicated > 0,
  },
  { name: 'a seq used again', run: seqUsedAgain, isCaught: hasLost },
];

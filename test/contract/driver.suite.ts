/** What every driver promises (src/sink/driver.ts). */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Driver, SinkRecord } from '../../src/sink/driver.ts';

/** A record as a consumer finds it. */
export interface Written {
  readonly partition: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, string])[];
}

export interface DriverSubject {
  /** Creates missing topics with 3 partitions. */
  readonly driver: Driver;
  /** Creates none. */
  readonly strict: Driver;
  /** Its broker does not answer. */
  readonly unreachable: Driver;
  createTopic(topic: string, partitions: number): Promise<void>;
  /** Everything in a topic, per partition in order, once there are `count` records. */
  written(topic: string, count: number): Promise<readonly Written[]>;
}

const deadlineMs = 10_000;

export function driverContract(subject: () => DriverSubject): void {
  const record = (topic: string, given: Partial<SinkRecord> = {}): SinkRecord => ({
    topic,
    partition: 0,
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    headers: [],
    timestampMs: 1_000,
    ...given,
  });
  const newTopic = async (partitions = 3): Promise<string> => {
    const topic = `driver-${randomUUID()}`;
    await subject().createTopic(topic, partitions);
    return topic;
  };

  describe('sending', () => {
    it('acknowledges every topic-partition and keeps the order in each', async () => {
      const [one, two] = [await newTopic(), await newTopic()];
      const places = [0, 2, 0, 1, 0, 2].map((partition, number) => [partition, number] as const);
      const records = [one, two].flatMap((topic) =>
        places.map(([partition, number]) =>
          record(topic, { partition, value: Buffer.from(String(number)) }),
        ),
      );
      const sender = subject().driver.createSender('lane-0');
      const outcome = await sender.send(records, deadlineMs);
      await sender.close();
      expect(outcome).toMatchObject({ kind: 'acked' });
      const acks = 'acks' in outcome ? outcome.acks : [];
      const named = acks.map(({ topic, partition }) => `${topic} ${partition}`).sort();
      expect(named).toEqual([one, two].flatMap((t) => [0, 1, 2].map((p) => `${t} ${p}`)).sort());
      const values = (found: readonly Written[], partition: number) =>
        found.filter((each) => each.partition === partition).map(({ value }) => String(value));
      const found = await subject().written(one, records.length / 2);
      expect([0, 1, 2].map((partition) => values(found, partition))).toEqual([
        ['0', '2', '4'],
        ['3'],
        ['1', '5'],
      ]);
    });

    it('writes headers of any name, and repeated ones in their order', async () => {
      const topic = await newTopic(1);
      const names = ['__proto__', 'constructor', 'toString', '1', ''];
      const headers = [...names, 'again', 'again'].map((name, index) => {
        return [name, Buffer.from(String(index))] as const;
      });
      const sender = subject().driver.createSender('lane-0');
      const outcome = await sender.send([record(topic, { headers })], deadlineMs);
      await sender.close();
      expect(outcome).toMatchObject({ kind: 'acked' });
      const [written] = await subject().written(topic, 1);
      const wanted = headers.map(([name, value]) => [name, String(value)] as const);
      // No more than that: what reads here adds what a plain object inherits to some of them.
      expect(written?.headers).toEqual(expect.arrayContaining(wanted));
    });

    it('goes on where it ended, also after it was closed', async () => {
      const topic = await newTopic(1);
      const sender = subject().driver.createSender('lane-0');
      const offsets: (bigint | null)[] = [];
      for (const count of [2, 3, 1]) {
        const batch = Array.from({ length: count }, () => record(topic));
        const outcome = await sender.send(batch, deadlineMs);
        offsets.push('acks' in outcome ? (outcome.acks[0]?.baseOffset ?? null) : null);
        if (count === 3) await sender.close();
      }
      await sender.close();
      await sender.close();
      expect(offsets).toEqual([0n, 2n, 5n]);
    });

    it('writes empty bytes as empty, and nothing as nothing', async () => {
      const topic = await newTopic(1);
      const sender = subject().driver.createSender('lane-0');
      const empty = { key: Buffer.alloc(0), value: Buffer.alloc(0) };
      const batch = [record(topic, { key: null, value: null }), record(topic, empty)];
      expect(await sender.send(batch, deadlineMs)).toMatchObject({ kind: 'acked' });
      await sender.close();
      const found = await subject().written(topic, 2);
      expect(found.map(({ key, value }) => [key, value?.length ?? null])).toEqual([
        [null, null],
        ['', 0],
      ]);
    });

    it('calls a record that is too large refused, and sends on afterwards', async () => {
      const topic = await newTopic(1);
      const sender = subject().driver.createSender('lane-0');
      const large = record(topic, { value: Buffer.alloc(2_000_000) });
      const refusal = { kind: 'refused-record', code: 'MESSAGE_TOO_LARGE' };
      expect(await sender.send([large], deadlineMs)).toMatchObject(refusal);
      expect(await sender.send([record(topic)], deadlineMs)).toMatchObject({ kind: 'acked' });
      await sender.close();
      expect(await subject().written(topic, 1)).toHaveLength(1);
    });

    it('never takes an absent broker for a refusal', async () => {
      const sender = subject().unreachable.createSender('lane-0');
      expect(await sender.send([record('orders')], 2_000)).toMatchObject({ kind: 'outage' });
      await sender.close();
    });

    it('refuses an empty batch as a defect', async () => {
      const sender = subject().driver.createSender('lane-0');
      const invariant = { code: 'INVARIANT_BROKEN' };
      await expect(sender.send([], deadlineMs)).rejects.toMatchObject(invariant);
    });
  });

  describe('asking for leaders', () => {
    it('knows partitions, and which have no leader', async () => {
      const topic = await newTopic(5);
      const answer = await subject().driver.leaders([topic], deadlineMs);
      expect(answer).toMatchObject({ kind: 'answered' });
      const found = 'topics' in answer ? answer.topics.get(topic) : null;
      expect(found).toEqual({ topic, partitions: 5, leaderless: [] });
    });

    it('tells of a missing topic that it may be created, and does not create it', async () => {
      const topic = `driver-${randomUUID()}`;
      for (let asked = 1; asked <= 2; asked += 1) {
        const answer = await subject().driver.leaders([topic], deadlineMs);
        const found = 'topics' in answer ? answer.topics.get(topic) : null;
        expect(found).toEqual({ topic, partitions: 0, leaderless: [] });
      }
    });

    it('calls a missing topic refused where it may not, and answers for the others', async () => {
      const [missing, there] = [`driver-${randomUUID()}`, await newTopic()];
      const answer = await subject().strict.leaders([missing, there], deadlineMs);
      const topics = 'topics' in answer ? answer.topics : new Map();
      const refusal = { kind: 'refused-topic', code: 'UNKNOWN_TOPIC_OR_PARTITION' };
      expect(topics.get(missing)).toMatchObject({ ...refusal, topic: missing });
      expect(topics.get(there)).toMatchObject({ partitions: 3 });
    });

    it('asks only whether a broker answers when it is given no topic', async () => {
      const nothing = await subject().driver.leaders([], deadlineMs);
      expect(nothing).toEqual({ kind: 'answered', topics: new Map() });
      const answer = await subject().unreachable.leaders([], 2_000);
      expect(answer).toMatchObject({ kind: 'outage' });
    });
  });

  describe('making topics ready', () => {
    it('creates a missing topic where it may', async () => {
      const [there, topic] = [await newTopic(), `driver-${randomUUID()}`];
      const answer = await subject().driver.prepare([there, topic], deadlineMs);
      const topics = 'topics' in answer ? answer.topics : new Map();
      expect(topics.get(there)).toEqual({ topic: there, partitions: 3, leaderless: [] });
      expect(topics.get(topic)).toEqual({ topic, partitions: 3, leaderless: [] });
    });

    it('ends at the first topic that cannot take records', async () => {
      const [one, two] = [await newTopic(), await newTopic()];
      const [missing, later] = [`driver-${randomUUID()}`, `driver-${randomUUID()}`];
      const order = [one, missing, two, later];
      const answer = await subject().strict.prepare(order, deadlineMs);
      const topics = 'topics' in answer ? answer.topics : new Map();
      expect(topics.get(one)).toMatchObject({ partitions: 3 });
      expect(topics.get(missing)).toMatchObject({ kind: 'refused-topic', topic: missing });
      expect(topics.has(later)).toBe(false);
    });

    it('calls an absent broker an outage', async () => {
      const answer = await subject().unreachable.prepare(['orders'], 2_000);
      expect(answer).toMatchObject({ kind: 'outage' });
    });
  });
}

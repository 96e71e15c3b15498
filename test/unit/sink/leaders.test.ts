/** Whom a broker's complaint concerns: the topic that it was asked about, or all of a question. */
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { SendFailure } from '../../../src/sink/driver.ts';
import type { Admin } from '../../../src/sink/kafkajs/client.ts';
import { TopicInquiry } from '../../../src/sink/kafkajs/leaders.ts';
import { plaintext } from '../../../src/sink/security.ts';
import { FakeClock } from '../../support/clock.ts';

const { createErrorFromCode } = createRequire(import.meta.url)('kafkajs/src/protocol/error.js') as {
  createErrorFromCode: (code: number) => Error;
};

/** A broker that has every topic but these, and an error for each of them. */
function adminOf(errors: Readonly<Record<string, Error>>, refusal: Error | null = null): Admin {
  const fetchTopicMetadata = async ({ topics }: { topics: string[] }) => {
    const bad = topics.map((topic) => errors[topic]).find((error) => error !== undefined);
    if (bad !== undefined) throw bad;
    const partitions = [{ partitionId: 0, leader: 1 }];
    return { topics: topics.map((name) => ({ name, partitions })) };
  };
  const createTopics = async () => {
    if (refusal !== null) throw refusal;
  };
  return { fetchTopicMetadata, createTopics } as unknown as Admin;
}

const inquiry = new TopicInquiry({
  brokers: ['unused:1'],
  clientId: 'test',
  createTopics: { partitions: 1, replicationFactor: 1 },
  security: plaintext,
  clock: new FakeClock(),
});
const topics = ['a', 'b', 'c', 'd', 'e'];
const fine = (topic: string) => ({ topic, partitions: 1, leaderless: [] });

describe('a code of the broker about one topic', () => {
  it.each([
    [-1, 'bug', 'UNKNOWN_SERVER_ERROR'],
    [72, 'partition-away', 'LISTENER_NOT_FOUND'],
    [133, 'bug', 'SHARE_SESSION_LIMIT_REACHED'],
    [999, 'bug', 'KAFKA_999'],
    [17, 'refused-topic', 'INVALID_TOPIC_EXCEPTION'],
  ])('%i is its answer alone', async (number, kind, code) => {
    const admin = adminOf({ c: createErrorFromCode(number) });
    const answers = await inquiry.ask(admin, topics);
    expect(answers.get('c')).toMatchObject({ kind, code, topic: 'c' });
    for (const topic of ['a', 'b', 'd', 'e']) expect(answers.get(topic)).toEqual(fine(topic));
    const ready = await inquiry.prepare(admin, topics, 1_000);
    expect([...ready.keys()]).toEqual(['a', 'b', 'c']);
    expect(ready.get('b')).toEqual(fine('b'));
    expect(ready.get('c')).toMatchObject({ kind, code, topic: 'c' });
  });
});

describe('what no broker has said', () => {
  it.each([
    ['a defect', new TypeError('x is not a function')],
    ['a connection that is gone', Object.assign(new Error('read'), { code: 'ECONNRESET' })],
    ['a broker that cannot serve', createErrorFromCode(8)],
  ])('%s is the answer of the whole question', async (_, error) => {
    const admin = adminOf({ c: error });
    await expect(inquiry.ask(admin, topics)).rejects.toBe(error);
    await expect(inquiry.prepare(admin, topics, 1_000)).rejects.toBe(error);
  });
});

describe('a topic that cannot be created', () => {
  const missing = { a: createErrorFromCode(3) };

  it.each([
    [44, 'refused-topic', 'POLICY_VIOLATION'], // the same code is a record's in a send
    [10, 'refused-topic', 'MESSAGE_TOO_LARGE'],
    [-1, 'bug', 'UNKNOWN_SERVER_ERROR'],
    [89, 'outage', 'THROTTLING_QUOTA_EXCEEDED'],
  ])('because of code %i is %s', async (number, kind, code) => {
    const admin = adminOf(missing, createErrorFromCode(number));
    const ready = await inquiry.prepare(admin, ['a'], 1_000);
    expect(ready.get('a') as SendFailure).toMatchObject({ kind, code, topic: 'a' });
  });
});

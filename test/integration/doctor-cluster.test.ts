/** What the doctor says of two brokers: settings that risk events, and a broker that is lost. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Diagnosis, diagnose, openOutbox, type RelayOptions } from 'outbox-relay';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { said } from '../support/doctor.ts';
import { KafkaPair } from '../support/kafka-pair.ts';

let kafka: KafkaPair;
let folder: string;

beforeAll(async () => {
  kafka = await KafkaPair.start({
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    KAFKA_OFFSETS_RETENTION_MINUTES: '1440',
    KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: 'true',
    KAFKA_MIN_INSYNC_REPLICAS: '1',
    KAFKA_AUTHORIZER_CLASS_NAME: 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: 'true',
  });
});
afterAll(() => kafka?.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Of an outbox with one event for each topic. */
async function diagnosisOf(
  topics: readonly string[],
  options: Partial<RelayOptions> = {},
): Promise<Diagnosis> {
  const db = join(folder, 'shop.db');
  const outbox = openOutbox({ path: db });
  outbox.enqueueMany(topics.map((topic) => ({ topic, value: 'v' })));
  await outbox.close();
  return diagnose({ db, brokers: [kafka.address], ...options });
}

const newTopic = () => `doctor-${crypto.randomUUID()}`;

describe('the settings of a cluster', () => {
  it('that forgets the places of consumers within a day', async () => {
    expect(said(await diagnosisOf([]), 'kafka.offsets_retention')).toEqual([
      'warning: offsets.retention.minutes 1440, less than seven days',
    ]);
  });

  it('that creates no topic: a missing one is an error', async () => {
    const topic = newTopic();
    const diagnosis = await diagnosisOf([topic]);
    expect(said(diagnosis, 'kafka.auto_create')).toEqual([
      'ok: auto.create.topics.enable is false',
    ]);
    expect(said(diagnosis, 'kafka.topics').at(-1)).toBe(`error: ${topic}: does not exist`);
  });

  it('that makes replicas leaders that lag behind, and acknowledges on one', async () => {
    const [risky, safe] = [newTopic(), newTopic()];
    await kafka.createTopic(risky, [1, 2]);
    const careful = { 'unclean.leader.election.enable': false, 'min.insync.replicas': 2 };
    await kafka.createTopic(safe, [1, 2], careful);
    const diagnosis = await diagnosisOf([risky, safe]);
    expect(said(diagnosis, 'kafka.unclean_election')).toEqual([
      `warning: ${risky}: unclean.leader.election.enable is true`,
    ]);
    expect(said(diagnosis, 'kafka.min_in_sync').toSorted()).toEqual(
      [
        `warning: ${risky}: min.insync.replicas 1 of 2 replicas`,
        `warning: ${safe}: min.insync.replicas 2 of 2 replicas`,
      ].toSorted(),
    );
    expect(said(diagnosis, 'kafka.in_sync')).toEqual(['ok: every replica is in sync']);
    expect(said(diagnosis, 'kafka.leaders')).toEqual(['ok: every partition has a leader']);
  });

  it('with a topic on one of two brokers', async () => {
    const topic = newTopic();
    await kafka.createTopic(topic, [1]);
    expect(said(await diagnosisOf([topic]), 'kafka.replicas')).toEqual([
      `warning: ${topic}: one replica`,
    ]);
  });

  it('that it may not ask for', async () => {
    const topic = newTopic();
    await kafka.createTopic(topic, [1, 2]);
    await kafka.forbid(topic, 'DESCRIBE_CONFIGS');
    const diagnosis = await diagnosisOf([topic]);
    expect(said(diagnosis, 'kafka.settings')).toEqual([
      'note: 1 of 3 brokers and topics do not tell theirs (TOPIC_AUTHORIZATION_FAILED)',
    ]);
    expect(said(diagnosis, 'kafka.topics')).toEqual(['ok: 1 of 1 topics are there']);
  });

  it('with a topic that it may not even look at', async () => {
    const topic = newTopic();
    await kafka.createTopic(topic, [1, 2]);
    await kafka.forbid(topic, 'DESCRIBE');
    expect(said(await diagnosisOf([topic]), 'kafka.topics')).toEqual([
      'note: 0 of 1 topics are there, 1 could not be looked at',
      expect.stringMatching(
        `^error: ${topic}: cannot be looked at \\(TOPIC_AUTHORIZATION_FAILED: `,
      ),
    ]);
  });
});

describe('a broker', () => {
  it('that does not answer at the address it advertises, beside one that does', async () => {
    const topic = newTopic();
    await kafka.createTopic(topic, [1, 2]);
    kafka.toSecond.refuse();
    try {
      const diagnosis = await diagnosisOf([topic]);
      expect(said(diagnosis, 'kafka.brokers')).toEqual([
        expect.stringMatching(
          `^warning: broker 2 does not answer at ${kafka.toSecond.address} \\(\\w+\\)$`,
        ),
      ]);
      expect(said(diagnosis, 'kafka.topics')).toEqual(['ok: 1 of 1 topics are there']);
    } finally {
      kafka.toSecond.forward();
    }
  });

  // The last one: the second broker does not come back.
  it('that is lost: partitions without a leader, replicas that are not in sync', async () => {
    const [gone, thin, stuck] = [newTopic(), newTopic(), newTopic()];
    await kafka.createTopic(gone, [2]);
    await kafka.createTopic(thin, [1, 2]);
    await kafka.createTopic(stuck, [1, 2], { 'min.insync.replicas': 2 });
    await kafka.killSecond();
    const diagnosis = await diagnosisOf([gone, thin, stuck]);
    expect(said(diagnosis, 'kafka.leaders')).toEqual([
      `error: ${gone}: a partition without a leader`,
    ]);
    expect(said(diagnosis, 'kafka.in_sync').toSorted()).toEqual([
      `error: ${stuck}: 1 of 2 replicas in sync`,
      `warning: ${thin}: 1 of 2 replicas in sync`,
    ]);
    expect(said(diagnosis, 'kafka.reachable')).toEqual(['ok: answers with 1 broker']);
    expect(said(diagnosis, 'kafka.settings')).toEqual([expect.stringMatching(/^ok/)]);
  });
});

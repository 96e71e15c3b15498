import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/admin/doctor/finding.ts';
import { judgeKafka } from '../../../src/admin/doctor/kafka.ts';
import { judgeRedis } from '../../../src/admin/doctor/redis.ts';
import type { WantedTopics } from '../../../src/admin/doctor/topics.ts';
import type {
  BrokerFacts,
  ClusterFacts,
  SinkProblem,
  TopicFacts,
} from '../../../src/sink/inspection.ts';

const broker = (id: number, given: Partial<BrokerFacts> = {}): BrokerFacts => ({
  id,
  address: `kafka-${id}:9092`,
  versions: { release: '4.1 or later', unspoken: [] },
  settings: { createsTopics: false, offsetsRetentionMinutes: 10_080 },
  ...given,
});
const orders: TopicFacts = {
  partitions: 6,
  replicas: 3,
  inSync: 3,
  leaderless: [],
  settings: { minInSync: 2, uncleanElection: false },
};
const three = [broker(1), broker(2), broker(3)];
const cluster: ClusterFacts = { brokers: three, topics: new Map([['orders', orders]]) };
const wanted: WantedTopics = {
  topics: [{ topic: 'orders', partitions: 6 }],
  cut: false,
  createTopics: 'broker',
};
const away: SinkProblem = { code: 'ECONNREFUSED', message: 'refused' };
const missing: SinkProblem = { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'no such topic' };

/** What is not ok, as `check severity`. */
const bad = (findings: readonly Finding[]) =>
  findings
    .filter(({ severity }) => severity !== 'ok')
    .map(({ check, severity }) => `${check} ${severity}`);
const judge = (facts: Partial<ClusterFacts>, also: Partial<WantedTopics> = {}) =>
  bad(judgeKafka({ ...cluster, ...facts }, { ...wanted, ...also }));
const withOrders = (given: Partial<TopicFacts>) => new Map([['orders', { ...orders, ...given }]]);

describe('judging a cluster', () => {
  it('finds nothing in one that is in order, and looks at everything', () => {
    const findings = judgeKafka(cluster, wanted);
    expect(bad(findings)).toEqual([]);
    expect(new Set(findings.map(({ check }) => check)).size).toBe(13);
  });

  it.each([
    [false, ['kafka.reachable error']],
    [true, ['kafka.brokers error']],
  ])('that does not answer, connected: %s', (connected, expected) => {
    expect(bad(judgeKafka({ ...away, connected }, wanted))).toEqual(expected);
  });

  it.each<[string, BrokerFacts[], string[]]>([
    ['one silent broker', [broker(1), broker(2, { versions: away })], ['kafka.brokers warning']],
    ['none but silent brokers', [broker(1, { versions: away })], ['kafka.brokers error']],
    [
      'a broker of another protocol',
      [broker(1, { versions: { release: 'before 2.4', unspoken: ['Produce'] } }), broker(2)],
      ['kafka.version error'],
    ],
    [
      'brokers that do not tell',
      [broker(1, { settings: away }), broker(2, { settings: away })],
      ['kafka.settings note'],
    ],
    [
      'short memory of offsets on one',
      [
        broker(1),
        broker(2, { settings: { createsTopics: false, offsetsRetentionMinutes: 1_440 } }),
      ],
      ['kafka.offsets_retention warning'],
    ],
    [
      'a setting that does not exist',
      [broker(1, { settings: { createsTopics: null, offsetsRetentionMinutes: null } }), broker(2)],
      [],
    ],
  ])('with %s', (_, brokers, expected) => {
    expect(judge({ brokers })).toEqual(expected);
  });

  const creating = broker(1, {
    settings: { createsTopics: true, offsetsRetentionMinutes: 10_080 },
  });

  it.each<[WantedTopics['createTopics'], string[]]>([
    ['broker', ['kafka.auto_create note']],
    ['never', []],
    [{ partitions: 6, replicationFactor: 3 }, []],
  ])('that creates topics, for a relay that says %j', (createTopics, expected) => {
    expect(judge({ brokers: [creating, broker(2)] }, { createTopics })).toEqual(expected);
  });

  it.each<[WantedTopics['createTopics'], BrokerFacts, string]>([
    ['broker', creating, 'kafka.topics warning'],
    ['broker', broker(1), 'kafka.topics error'],
    ['broker', broker(1, { settings: away }), 'kafka.topics warning'],
    ['never', creating, 'kafka.topics error'],
    [{ partitions: 6, replicationFactor: 3 }, creating, 'kafka.topics note'],
  ])('without the topic, for a relay that says %j', (createTopics, first, expected) => {
    const facts = { brokers: [first], topics: new Map([['orders', missing]]) };
    expect(judge(facts, { createTopics })).toContain(expected);
  });
});

describe('judging a topic', () => {
  it.each<[string, Partial<TopicFacts>, string[]]>([
    ['grew', { partitions: 7 }, ['kafka.partitions warning']],
    ['shrank', { partitions: 5 }, ['kafka.partitions warning']],
    ['lacks a leader', { leaderless: [2], inSync: 0 }, ['kafka.leaders error']],
    [
      'has one replica',
      { replicas: 1, inSync: 1, settings: { minInSync: 1, uncleanElection: true } },
      ['kafka.replicas warning'],
    ],
    ['has a replica behind', { inSync: 2 }, ['kafka.in_sync warning']],
    ['has too few in sync', { inSync: 1 }, ['kafka.in_sync error']],
    [
      'acknowledges on one',
      { settings: { minInSync: 1, uncleanElection: false } },
      ['kafka.min_in_sync warning'],
    ],
    [
      'needs all its replicas',
      { settings: { minInSync: 3, uncleanElection: false } },
      ['kafka.min_in_sync warning'],
    ],
    [
      'needs more than it has',
      { settings: { minInSync: 4, uncleanElection: false } },
      ['kafka.min_in_sync error'],
    ],
    [
      'elects anybody',
      { settings: { minInSync: 2, uncleanElection: true } },
      ['kafka.unclean_election warning'],
    ],
    ['does not tell', { settings: away }, ['kafka.settings note']],
  ])('that %s', (_, given, expected) => {
    expect(judge({ topics: withOrders(given) })).toEqual(expected);
  });

  it('with one replica on the only broker: a note', () => {
    const settings = { minInSync: 1, uncleanElection: false };
    const topics = withOrders({ replicas: 1, inSync: 1, settings });
    expect(judge({ brokers: [broker(1)], topics })).toEqual(['kafka.replicas note']);
  });

  it.each([
    ['TOPIC_AUTHORIZATION_FAILED', ['kafka.topics error']],
    ['LEADER_NOT_AVAILABLE', ['kafka.leaders error']],
    ['DEADLINE', ['kafka.topics warning']],
  ])('that answers %s', (code, expected) => {
    const topics = new Map([['orders', { code, message: 'it says' }]]);
    expect(judge({ topics })).toEqual(expected);
  });

  it('that nothing was sent to yet: its partitions are no news', () => {
    const topics = [{ topic: 'orders', partitions: null }];
    expect(judge({}, { topics })).toEqual([]);
  });

  it('shares a finding with others that have the same complaint', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const topics = names.map((topic) => ({ topic, partitions: 6 }));
    const facts = { ...cluster, topics: new Map(names.map((name) => [name, missing])) };
    const found = judgeKafka(facts, { ...wanted, topics, cut: true })
      .filter(({ check }) => check === 'kafka.topics')
      .map((finding) => finding.found);
    expect(found).toEqual([
      '0 of 7 topics are there; there are more that were not looked at',
      'a, b, c, d, e and 2 more: does not exist',
    ]);
  });
});

describe('judging Redis', () => {
  const answer = (version: string | null, eviction: string | null) =>
    bad(judgeRedis({ reachable: true, version, eviction }));

  it.each([
    ['7.4.1', 'noeviction', []],
    ['6.2.0', 'noeviction', []],
    ['6.0.16', 'noeviction', ['redis.version warning']],
    ['5.0.0', 'noeviction', ['redis.version warning']],
    ['4.0.14', 'noeviction', ['redis.version error']],
    ['7.4.1', 'allkeys-lru', ['redis.eviction warning']],
    ['7.4.1', 'volatile-ttl', ['redis.eviction warning']],
    [null, null, ['redis.version note']],
  ])('%s with %s', (version, eviction, expected) => {
    expect(answer(version, eviction)).toEqual(expected);
  });

  it('that is away, and one that is not configured', () => {
    expect(bad(judgeRedis({ reachable: false, ...away }))).toEqual(['redis.reachable warning']);
    expect(bad(judgeRedis(null))).toEqual([]);
  });
});

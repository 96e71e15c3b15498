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
import type { RedisInspection } from '../../../src/trigger/inspection.ts';

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
  copies: [{ replicas: 3, inSync: 3 }],
  leaderless: [],
  settings: { minInSync: 2, uncleanElection: false, messageBytesMax: 1_048_588 },
};
const told = { minInSync: 2, uncleanElection: false, messageBytesMax: 1_048_588 };
const three = [broker(1), broker(2), broker(3)];
const cluster: ClusterFacts = { brokers: three, topics: new Map([['orders', orders]]) };
const wanted: WantedTopics = {
  topics: [{ topic: 'orders', partitions: 6 }],
  cut: false,
  createTopics: 'broker',
  recordBytesMax: 1_000_000,
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
/** All that is said of one check, as `severity: found`. */
const about = (one: string, facts: Partial<ClusterFacts>, also: Partial<WantedTopics> = {}) =>
  judgeKafka({ ...cluster, ...facts }, { ...wanted, ...also })
    .filter(({ check }) => check === one)
    .map(({ severity, found }) => `${severity}: ${found}`);
const withOrders = (given: Partial<TopicFacts>) => new Map([['orders', { ...orders, ...given }]]);

describe('judging a cluster', () => {
  it('finds nothing in one that is in order, and looks at everything', () => {
    const findings = judgeKafka(cluster, wanted);
    expect(bad(findings)).toEqual([]);
    expect(new Set(findings.map(({ check }) => check)).size).toBe(14);
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
    ['lacks a leader', { leaderless: [2] }, ['kafka.leaders error']],
    [
      'has one replica',
      {
        replicas: 1,
        copies: [{ replicas: 1, inSync: 1 }],
        settings: { ...told, minInSync: 1, uncleanElection: true },
      },
      ['kafka.replicas warning'],
    ],
    ['has a replica behind', { copies: [{ replicas: 3, inSync: 2 }] }, ['kafka.in_sync warning']],
    ['has too few in sync', { copies: [{ replicas: 3, inSync: 1 }] }, ['kafka.in_sync error']],
    ['acknowledges on one', { settings: { ...told, minInSync: 1 } }, ['kafka.min_in_sync warning']],
    [
      'needs all its replicas',
      { settings: { ...told, minInSync: 3 } },
      ['kafka.min_in_sync warning'],
    ],
    [
      'needs more than it has',
      { settings: { ...told, minInSync: 4 } },
      ['kafka.min_in_sync error'],
    ],
    [
      'elects anybody',
      { settings: { ...told, uncleanElection: true } },
      ['kafka.unclean_election warning'],
    ],
    ['takes the largest event alone', { settings: { ...told, messageBytesMax: 1_000_061 } }, []],
    [
      'takes a byte less',
      { settings: { ...told, messageBytesMax: 1_000_060 } },
      ['kafka.message_bytes warning'],
    ],
    ['does not tell', { settings: away }, ['kafka.settings note']],
  ])('that %s', (_, given, expected) => {
    expect(judge({ topics: withOrders(given) })).toEqual(expected);
  });

  it('with one replica on the only broker: a note', () => {
    const settings = { ...told, minInSync: 1 };
    const topics = withOrders({ replicas: 1, copies: [{ replicas: 1, inSync: 1 }], settings });
    expect(judge({ brokers: [broker(1)], topics })).toEqual(['kafka.replicas note']);
  });

  it.each([
    ['TOPIC_AUTHORIZATION_FAILED', ['kafka.topics note', 'kafka.topics error']],
    ['LEADER_NOT_AVAILABLE', ['kafka.leaders error']],
    ['DEADLINE', ['kafka.topics note', 'kafka.topics warning']],
  ])('that answers %s', (code, expected) => {
    const topics = new Map([['orders', { code, message: 'it says' }]]);
    expect(judge({ topics })).toEqual(expected);
  });

  it('that nothing was sent to yet: its partitions are no news', () => {
    const topics = [{ topic: 'orders', partitions: null }];
    expect(judge({}, { topics })).toEqual([]);
  });

  it.each([
    [
      'two partitions that lack a copy',
      [
        [3, 2],
        [2, 1],
      ],
      'error: orders: 1 of 2 replicas in sync',
    ],
    [
      'one of few copies, another behind',
      [
        [5, 4],
        [3, 3],
      ],
      'warning: orders: 4 of 5 replicas in sync',
    ],
    [
      'the fewest copies all in sync',
      [
        [4, 2],
        [2, 2],
      ],
      'warning: orders: 2 of 4 replicas in sync',
    ],
    [
      'one that lacks more, another too few',
      [
        [5, 3],
        [2, 1],
      ],
      'error: orders: 1 of 2 replicas in sync',
    ],
  ])('counts copies by partition: %s', (_, pairs, expected) => {
    const copies = pairs.map(([replicas = 0, inSync = 0]) => ({ replicas, inSync }));
    const replicas = Math.min(...copies.map((one) => one.replicas));
    expect(about('kafka.in_sync', { topics: withOrders({ replicas, copies }) })).toEqual([
      expected,
    ]);
  });

  it('shares a finding with others that have the same complaint', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const topics = names.map((topic) => ({ topic, partitions: 6 }));
    const facts = { ...cluster, topics: new Map(names.map((name) => [name, missing])) };
    expect(about('kafka.topics', facts, { topics, cut: true })).toEqual([
      'note: 0 of 7 topics are there; there are more that were not looked at',
      'error: a, b, c, d, e and 2 more: does not exist',
    ]);
  });
});

describe('what was not looked at is not called in order', () => {
  const topics = ['orders', 'silent', 'absent'].map((topic) => ({ topic, partitions: 6 }));
  const deadline: SinkProblem = { code: 'DEADLINE', message: 'no answer within 8000 ms' };
  const fine = (facts: Partial<ClusterFacts>, also: Partial<WantedTopics> = {}) =>
    judgeKafka({ ...cluster, ...facts }, { ...wanted, ...also })
      .filter(({ severity }) => severity === 'ok')
      .map(({ check, found }) => `${check}: ${found}`);

  it('of topics that gave no answer, or are not there', () => {
    const answers = new Map<string, TopicFacts | SinkProblem>([
      ['orders', orders],
      ['silent', deadline],
    ]);
    expect(about('kafka.topics', { topics: answers }, { topics })).toEqual([
      'note: 1 of 3 topics are there, 2 could not be looked at',
      'warning: silent: cannot be looked at (DEADLINE: no answer within 8000 ms)',
      'warning: absent: cannot be looked at (NO_ANSWER: nothing was said about it)',
    ]);
    const said = fine({ topics: answers }, { topics }).slice(-7);
    for (const one of said) expect(one).toMatch(/, of 1 of 3 topics$/);
    answers.delete('orders');
    const names = ['leaders', 'partitions', 'replicas', 'in_sync', 'min_in_sync'];
    const checks = [...names, 'unclean_election', 'message_bytes', 'topics'];
    const unknown = fine({ topics: answers }, { topics }).join();
    for (const name of checks) expect(unknown).not.toContain(`kafka.${name}:`);
  });

  it('of an outbox that was not looked into', () => {
    expect(about('kafka.topics', { topics: new Map() }, { topics: null })).toEqual([
      'note: the outbox was not looked into: which topics it sends to is not known',
    ]);
    expect(about('kafka.topics', { topics: new Map() }, { topics: [] })).toEqual([
      'ok: the outbox has no events and no topic yet',
    ]);
  });

  it('of settings that were not told, and of copies where there is one or no leader', () => {
    const without = (given: Partial<TopicFacts>) =>
      fine({ topics: withOrders(given) }).map((one) => one.split(':')[0]);
    const silent = without({ settings: away });
    expect(silent).not.toContain('kafka.min_in_sync');
    expect(silent).not.toContain('kafka.unclean_election');
    expect(silent).not.toContain('kafka.message_bytes');
    const alone = { replicas: 1, copies: [{ replicas: 1, inSync: 1 }] };
    const single = without({ ...alone, settings: { ...told, minInSync: 1 } });
    expect(single).not.toContain('kafka.min_in_sync');
    expect(single).not.toContain('kafka.unclean_election');
    expect(without({ leaderless: [2] })).not.toContain('kafka.in_sync');
  });
});

describe('judging Redis', () => {
  const ordinary = { reachable: true, role: 'master', memory: null } as const;
  const healthy = { ...ordinary, version: '7.4.1', eviction: 'noeviction' } as const;
  const answer = (version: string | null, eviction: string | null) =>
    bad(judgeRedis({ ...ordinary, version, eviction }));

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

  const mib = 1_024 ** 2;

  it.each<[string, Partial<Extract<RedisInspection, { reachable: true }>>, string[]]>([
    ['a replica', { role: 'replica' }, ['redis.writes error']],
    ['a replica that takes writes', { role: 'writable replica' }, ['redis.writes warning']],
    ['one that does not tell its role', { role: null }, []],
    ['a full one', { memory: { usedBytes: mib, maxBytes: mib } }, ['redis.writes warning']],
    ['one with room', { memory: { usedBytes: mib - 1, maxBytes: mib } }, []],
    [
      'a full one that evicts',
      { eviction: 'allkeys-lru', memory: { usedBytes: mib, maxBytes: mib } },
      ['redis.eviction warning'],
    ],
  ])('%s', (_, given, expected) => {
    expect(bad(judgeRedis({ ...healthy, ...given }))).toEqual(expected);
  });

  it('that is away, and one that is not configured', () => {
    expect(bad(judgeRedis({ reachable: false, ...away }))).toEqual(['redis.reachable warning']);
    expect(bad(judgeRedis(null))).toEqual([]);
  });
});

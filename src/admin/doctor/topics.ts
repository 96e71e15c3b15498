/** Findings about the topics that the outbox sends to. Pure. */
import type { TopicOfOutbox } from '../../outbox/inspection.ts';
import type { SinkProblem, TopicFacts } from '../../sink/inspection.ts';
import { type CheckId, type Finding, fine, type Severity } from './finding.ts';

export interface WantedTopics {
  /** Those that the outbox sends to, with the partition counts that its keys were placed over. */
  readonly topics: readonly TopicOfOutbox[];
  /** Whether the outbox has more topics than these. */
  readonly cut: boolean;
  /** What the relay does about a missing topic: option `createTopics`. */
  readonly createTopics: 'broker' | 'never' | object;
}

interface Surroundings extends WantedTopics {
  readonly brokers: number;
  /** auto.create.topics.enable; `null` when it is not known. */
  readonly brokerCreates: boolean | null;
}

/** What is wrong with one topic; topics with the same complaint share a finding. */
interface Complaint {
  readonly check: CheckId;
  readonly severity: Severity;
  readonly what: string;
  readonly breaks: string;
  readonly mend: string;
}

type Answers = ReadonlyMap<string, TopicFacts | SinkProblem>;

const namesShown = 5;

export function judgeTopics(answers: Answers, around: Surroundings): Finding[] {
  const { topics, cut } = around;
  if (topics.length === 0)
    return [fine('kafka.topics', 'the outbox has no events and no topic yet')];
  const complaints = topics.flatMap(({ topic, partitions }) => {
    const facts = answers.get(topic);
    if (facts === undefined) return [];
    const found = 'code' in facts ? [absence(facts, around)] : judge(facts, partitions, around);
    return found.map((complaint) => ({ topic, complaint }));
  });
  const present = topics.filter(({ topic }) => {
    const facts = answers.get(topic);
    return facts !== undefined && !('code' in facts);
  }).length;
  const more = cut ? '; there are more that were not looked at' : '';
  const exist = fine('kafka.topics', `${present} of ${topics.length} topics are there${more}`);
  const complained = new Set(complaints.map(({ complaint }) => complaint.check));
  const good = present === 0 ? [] : checksOfTopics.filter(([check]) => !complained.has(check));
  return [exist, ...good.map(([check, found]) => fine(check, found)), ...grouped(complaints)];
}

/** What is said when no topic gives a reason to complain. */
const checksOfTopics: readonly (readonly [CheckId, string])[] = [
  ['kafka.leaders', 'every partition has a leader'],
  ['kafka.partitions', 'partition counts are those that keys were placed over'],
  ['kafka.replicas', 'every partition has two replicas or more'],
  ['kafka.in_sync', 'every replica is in sync'],
  ['kafka.min_in_sync', 'an acknowledged record is on two replicas or more'],
  ['kafka.unclean_election', 'a replica that lags behind is never made leader'],
];

function grouped(complaints: readonly { topic: string; complaint: Complaint }[]): Finding[] {
  const groups = new Map<string, { complaint: Complaint; names: string[] }>();
  for (const { topic, complaint } of complaints) {
    const key = `${complaint.check} ${complaint.severity} ${complaint.what}`;
    const group = groups.get(key) ?? { complaint, names: [] };
    group.names.push(topic);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ complaint, names }) => {
    const { check, severity, what, breaks, mend } = complaint;
    const rest = names.length - namesShown;
    const shown = names.slice(0, namesShown).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
    return { check, severity, found: `${shown}: ${what}`, breaks, mend };
  });
}

function absence({ code, message }: SinkProblem, around: Surroundings): Complaint {
  const breaks = 'The lanes of its events stop until it can be written.';
  if (code === 'LEADER_NOT_AVAILABLE') return leaderless('a partition');
  if (code !== 'UNKNOWN_TOPIC_OR_PARTITION') return unreadable({ code, message }, breaks);
  const { createTopics, brokerCreates } = around;
  const what = 'does not exist';
  const check = 'kafka.topics';
  if (typeof createTopics === 'object') {
    const later = 'The relay creates it as createTopics says, before the first event.';
    const mend = 'Nothing, if the name is right.';
    return { check, severity: 'note', what, breaks: later, mend };
  }
  const mend =
    'Create the topic, or set createTopics to the partitions and replicas it should have.';
  if (createTopics === 'never' || brokerCreates === false) {
    return { check, severity: 'error', what, breaks, mend };
  }
  const later = 'The broker may create it with its default partitions and replicas, or refuse it.';
  return { check, severity: 'warning', what, breaks: later, mend };
}

function unreadable({ code, message }: SinkProblem, breaks: string): Complaint {
  const what = `cannot be looked at (${code}: ${message})`;
  const check = 'kafka.topics';
  if (/AUTHORIZATION|INVALID_TOPIC/.test(code)) {
    const mend = 'Correct the name, or allow this user to describe and write the topic.';
    return { check, severity: 'error', what, breaks, mend };
  }
  const maybe = 'Whether it can be written is not known.';
  return { check, severity: 'warning', what, breaks: maybe, mend: 'Ask again; see the message.' };
}

function leaderless(which: string): Complaint {
  return {
    check: 'kafka.leaders',
    severity: 'error',
    what: `${which} without a leader`,
    breaks: 'Lanes with events for it stop until it has one.',
    mend: 'Start the brokers that hold its replicas.',
  };
}

function judge(facts: TopicFacts, stored: number | null, around: Surroundings): Complaint[] {
  const missing = facts.leaderless.length;
  return [
    missing > 0 ? leaderless(missing === 1 ? 'a partition' : `${missing} partitions`) : null,
    judgePartitions(facts.partitions, stored),
    judgeReplicas(facts, around.brokers),
    judgeInSync(facts),
    judgeMinInSync(facts),
    judgeElection(facts),
  ].filter((complaint) => complaint !== null);
}

function judgePartitions(now: number, stored: number | null): Complaint | null {
  if (stored === null || stored === now) return null;
  const check = 'kafka.partitions';
  const what = `has ${now} partitions, keys were placed over ${stored}`;
  if (now > stored) {
    const breaks =
      'Keys keep their partitions until nothing is pending, then move: order over both.';
    const mend =
      'Let consumers finish what they have; do not grow a topic that needs order per key.';
    return { check, severity: 'warning', what, breaks, mend };
  }
  const breaks = 'It was made anew: keys move at once, and what it held before is gone.';
  const mend = 'Check who made it; there is nothing to set here.';
  return { check, severity: 'warning', what, breaks, mend };
}

function judgeReplicas({ replicas }: TopicFacts, brokers: number): Complaint | null {
  if (replicas > 1) return null;
  const alone = brokers === 1;
  return {
    check: 'kafka.replicas',
    severity: alone ? 'note' : 'warning',
    what: alone ? 'one replica, on the only broker' : 'one replica',
    breaks: 'A broker whose disk is lost takes delivered events with it; without it lanes stop.',
    mend: alone ? 'Run three brokers where events matter.' : 'Give the topic three replicas.',
  };
}

function judgeInSync({
  replicas,
  inSync,
  settings,
  leaderless: gone,
}: TopicFacts): Complaint | null {
  if (inSync >= replicas || gone.length > 0) return null; // without a leader nobody counts
  const check = 'kafka.in_sync';
  const what = `${inSync} of ${replicas} replicas in sync`;
  const mend = 'Start the brokers that are missing, or look why they lag behind.';
  const minimum = 'code' in settings ? null : settings.minInSync;
  if (minimum !== null && inSync < minimum) {
    const breaks = `Kafka refuses records below min.insync.replicas (${minimum}): its lanes stop.`;
    return { check, severity: 'error', what, breaks, mend };
  }
  const breaks = 'The loss of one more broker can stop its lanes.';
  return { check, severity: 'warning', what, breaks, mend };
}

function judgeMinInSync({ replicas, settings }: TopicFacts): Complaint | null {
  const minimum = 'code' in settings ? null : settings.minInSync;
  if (minimum === null) return null;
  const check = 'kafka.min_in_sync';
  const what = `min.insync.replicas ${minimum} of ${replicas} replicas`;
  if (minimum > replicas) {
    const breaks = 'Kafka refuses every record: the lanes of its events stop.';
    const mend = 'Give the topic more replicas, or lower min.insync.replicas.';
    return { check, severity: 'error', what, breaks, mend };
  }
  if (replicas === 1) return null; // kafka.replicas says it
  if (minimum === 1) {
    const breaks = 'An acknowledged event can be on one broker only, and be lost with it.';
    const mend = 'Set min.insync.replicas to 2, with three replicas.';
    return { check, severity: 'warning', what, breaks, mend };
  }
  if (minimum < replicas) return null;
  const breaks = 'The restart of one broker stops its lanes; nothing is lost.';
  const mend = 'Give the topic one replica more than min.insync.replicas.';
  return { check, severity: 'warning', what, breaks, mend };
}

function judgeElection({ replicas, settings }: TopicFacts): Complaint | null {
  if ('code' in settings || settings.uncleanElection !== true || replicas === 1) return null;
  return {
    check: 'kafka.unclean_election',
    severity: 'warning',
    what: 'unclean.leader.election.enable is true',
    breaks: 'A replica that lags behind can become leader: acknowledged events are lost.',
    mend: 'Set unclean.leader.election.enable to false.',
  };
}

/** Findings about the topics that the outbox sends to. Pure. */
import type { TopicOfOutbox } from '../../outbox/inspection.ts';
import type { SinkProblem, TopicFacts } from '../../sink/inspection.ts';
import { type CheckId, type Finding, fine } from './finding.ts';
import {
  type Complaint,
  complaintsAbout,
  type OptionsAboutTopics,
  type Surroundings,
  settingOf,
} from './topic.ts';

export interface WantedTopics extends OptionsAboutTopics {
  /**
   * Those that the outbox sends to, with the partition counts that its keys were placed over;
   * `null` when the outbox could not be looked into.
   */
  readonly topics: readonly TopicOfOutbox[] | null;
  /** Whether the outbox has more topics than these. */
  readonly cut: boolean;
}

type Answers = ReadonlyMap<string, TopicFacts | SinkProblem>;

const namesShown = 5;

export function judgeTopics(answers: Answers, around: WantedTopics & Surroundings): Finding[] {
  const { topics } = around;
  if (topics === null) return [notLookedInto];
  if (topics.length === 0)
    return [fine('kafka.topics', 'the outbox has no events and no topic yet')];
  const looked = topics.map(({ topic, partitions }) => {
    return { topic, partitions, facts: answers.get(topic) ?? noAnswer };
  });
  const complaints = looked.flatMap(({ topic, partitions, facts }) => {
    const found = complaintsAbout(facts, partitions, around);
    return found.map((complaint) => ({ topic, complaint }));
  });
  const complained = new Set(complaints.map(({ complaint }) => complaint.check));
  const good = checksOfTopics.flatMap(({ check, found, judges = () => true }) => {
    const judged = looked.filter(({ facts }) => !('code' in facts) && judges(facts)).length;
    if (complained.has(check) || judged === 0) return [];
    const some = judged < looked.length ? `, of ${judged} of ${looked.length} topics` : '';
    return [fine(check, `${found}${some}`)];
  });
  return [judgePresence(looked, around.cut), ...good, ...grouped(complaints)];
}

const noAnswer: SinkProblem = { code: 'NO_ANSWER', message: 'nothing was said about it' };

const notLookedInto: Finding = {
  check: 'kafka.topics',
  severity: 'note',
  found: 'the outbox was not looked into: which topics it sends to is not known',
  breaks: 'Whether its topics can take its events was not judged.',
  mend: 'See what is said about the file, and look again.',
};

/** What is wrong with those that are not there is said by itself. */
function judgePresence(looked: readonly { facts: TopicFacts | SinkProblem }[], cut: boolean) {
  const check = 'kafka.topics';
  const codes = looked.map(({ facts }) => ('code' in facts ? facts.code : null));
  const present = codes.filter((code) => code === null || code === 'LEADER_NOT_AVAILABLE').length;
  const missing = codes.filter((code) => code === 'UNKNOWN_TOPIC_OR_PARTITION').length;
  const unknown = looked.length - present - missing;
  const silent = unknown > 0 ? `, ${unknown} could not be looked at` : '';
  const more = cut ? '; there are more that were not looked at' : '';
  const found = `${present} of ${looked.length} topics are there${silent}${more}`;
  if (present === looked.length) return fine(check, found);
  return { check, severity: 'note', found, breaks: null, mend: null } as const;
}

interface CheckOfTopics {
  readonly check: CheckId;
  /** What is said when no topic gives a reason to complain. */
  readonly found: string;
  /** Whether enough of a topic is known. Default: it is. */
  readonly judges?: (facts: TopicFacts) => boolean;
}

const checksOfTopics: readonly CheckOfTopics[] = [
  { check: 'kafka.leaders', found: 'every partition has a leader' },
  { check: 'kafka.partitions', found: 'partition counts are those that keys were placed over' },
  { check: 'kafka.replicas', found: 'every partition has two replicas or more' },
  {
    check: 'kafka.in_sync',
    found: 'every replica is in sync',
    judges: ({ leaderless }) => leaderless.length === 0,
  },
  {
    check: 'kafka.min_in_sync',
    found: 'an acknowledged record is on two replicas or more',
    judges: (facts) => facts.replicas > 1 && settingOf(facts, 'minInSync') !== null,
  },
  {
    check: 'kafka.unclean_election',
    found: 'a replica that lags behind is never made leader',
    judges: (facts) => facts.replicas > 1 && settingOf(facts, 'uncleanElection') !== null,
  },
  {
    check: 'kafka.message_bytes',
    found: 'the largest event that is accepted fits',
    judges: (facts) => settingOf(facts, 'messageBytesMax') !== null,
  },
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

/** What is wrong with one topic that the outbox sends to. Pure. */
import { limits } from '../../core/limits.ts';
import type { Copies, SinkProblem, TopicFacts, TopicSettings } from '../../sink/inspection.ts';
import type { CheckId, Severity } from './finding.ts';

export interface OptionsAboutTopics {
  /** What the relay does about a missing topic: option `createTopics`. */
  readonly createTopics: 'broker' | 'never' | object;
  /** The largest event that is accepted, in bytes: option `recordBytesMax`. */
  readonly recordBytesMax: number;
}

export interface Surroundings extends OptionsAboutTopics {
  readonly brokers: number;
  /** auto.create.topics.enable; `null` when it is not known. */
  readonly brokerCreates: boolean | null;
}

/** Topics with the same complaint share a finding. */
export interface Complaint {
  readonly check: CheckId;
  readonly severity: Severity;
  readonly what: string;
  readonly breaks: string;
  readonly mend: string;
}

/** @param placedOver the partition count that keys were placed over; `null` before a first send */
export function complaintsAbout(
  facts: TopicFacts | SinkProblem,
  placedOver: number | null,
  around: Surroundings,
): Complaint[] {
  return 'code' in facts ? [absence(facts, around)] : judge(facts, placedOver, around);
}

/** `null` when the broker did not tell it. */
export function settingOf<K extends keyof TopicSettings>({ settings }: TopicFacts, name: K) {
  return 'code' in settings ? null : settings[name];
}

function absence({ code, message }: SinkProblem, around: Surroundings): Complaint {
  const breaks = 'Its events are set aside until it can be written.';
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
    breaks: 'Its events are set aside until it has one.',
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
    judgeMessageBytes(facts, around.recordBytesMax),
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

function judgeInSync(facts: TopicFacts): Complaint | null {
  const minimum = settingOf(facts, 'minInSync') ?? 0;
  const lagging = facts.copies.filter(({ replicas, inSync }) => inSync < replicas);
  const tooFew = lagging.filter(({ inSync }) => inSync < minimum);
  const worst = worstOf(tooFew.length > 0 ? tooFew : lagging);
  if (worst === undefined) return null;
  const check = 'kafka.in_sync';
  const what = `${worst.inSync} of ${worst.replicas} replicas in sync`;
  const mend = 'Start the brokers that are missing, or look why they lag behind.';
  if (tooFew.length > 0) {
    const breaks = `Below min.insync.replicas (${minimum}) its events are set aside.`;
    return { check, severity: 'error', what, breaks, mend };
  }
  const breaks = 'The loss of one more broker can stop its lanes.';
  return { check, severity: 'warning', what, breaks, mend };
}

/** The partition that lacks the most. */
function worstOf(copies: readonly Copies[]): Copies | undefined {
  return copies.toSorted((a, b) => a.inSync - a.replicas - (b.inSync - b.replicas))[0];
}

function judgeMinInSync(facts: TopicFacts): Complaint | null {
  const { replicas } = facts;
  const minimum = settingOf(facts, 'minInSync');
  if (minimum === null) return null;
  const check = 'kafka.min_in_sync';
  const what = `min.insync.replicas ${minimum} of ${replicas} replicas`;
  if (minimum > replicas) {
    const breaks = 'Kafka refuses every record: its events are set aside.';
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

function judgeElection(facts: TopicFacts): Complaint | null {
  if (settingOf(facts, 'uncleanElection') !== true || facts.replicas === 1) return null;
  return {
    check: 'kafka.unclean_election',
    severity: 'warning',
    what: 'unclean.leader.election.enable is true',
    breaks: 'A replica that lags behind can become leader: acknowledged events are lost.',
    mend: 'Set unclean.leader.election.enable to false.',
  };
}

/** The topic's bound is on a batch, of which one event is the least. */
function judgeMessageBytes(facts: TopicFacts, recordBytesMax: number): Complaint | null {
  const max = settingOf(facts, 'messageBytesMax');
  const least = recordBytesMax + limits.batchHeaderBytes;
  if (max === null || max >= least) return null;
  return {
    check: 'kafka.message_bytes',
    severity: 'warning',
    what: `max.message.bytes ${max}, and events of up to ${recordBytesMax} bytes are accepted`,
    breaks: 'One that is larger than the topic takes is refused by Kafka, and held; its key waits.',
    mend: `Set max.message.bytes to ${least} or more, or recordBytesMax of the writers lower.`,
  };
}

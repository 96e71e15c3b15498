/** Findings about the cluster and its brokers. Pure. */
import { limits } from '../../core/limits.ts';
import { loginHint } from '../../core/login-trouble.ts';
import type {
  BrokerFacts,
  ClusterFacts,
  SinkInspection,
  SinkProblem,
  Unreachable,
} from '../../sink/inspection.ts';
import { type Finding, fine } from './finding.ts';
import { judgeTopics, type WantedTopics } from './topics.ts';

/** @param wanted what the outbox and the options say about topics */
export function judgeKafka(facts: SinkInspection, wanted: WantedTopics): Finding[] {
  if ('connected' in facts) return [judgeSilence(facts)];
  const { brokers, topics } = facts;
  const settings = brokers.map((broker) => broker.settings).filter(isKnown);
  const creates = settings.map(({ createsTopics }) => createsTopics).find((one) => one !== null);
  return [
    fine('kafka.reachable', `answers with ${count(brokers.length, 'broker')}`),
    judgeAddresses(brokers),
    ...judgeVersions(brokers),
    ...judgeSettings(facts),
    ...judgeCreation(creates ?? null, wanted),
    ...judgeOffsets(settings.map(({ offsetsRetentionMinutes }) => offsetsRetentionMinutes)),
    ...judgeTopics(topics, { ...wanted, brokers: brokers.length, brokerCreates: creates ?? null }),
  ];
}

const mendAddress =
  'Start the broker, or let its advertised.listeners name an address that is reached from here.';
const nothingDelivered =
  'Nothing is delivered; accepted events wait in the outbox, and none is lost.';

function judgeSilence({ connected, code, message }: Unreachable): Finding {
  const said = `(${code}: ${message})`;
  if (connected) {
    const found = `connected, but no broker answers at the address that it advertises ${said}`;
    const check = 'kafka.brokers';
    return { check, severity: 'error', found, breaks: nothingDelivered, mend: mendAddress };
  }
  return {
    check: 'kafka.reachable',
    severity: 'error',
    found: `no answer ${said}`,
    breaks: nothingDelivered,
    mend: loginHint(code) ?? 'Start Kafka; check brokers, listener, firewall and permissions.',
  };
}

function isProblem(facts: object): facts is SinkProblem {
  return 'code' in facts;
}

function isKnown<T extends object>(facts: T | SinkProblem): facts is T {
  return !isProblem(facts);
}

const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;

function judgeAddresses(brokers: readonly BrokerFacts[]): Finding {
  const check = 'kafka.brokers';
  const silent = brokers.filter(({ versions }) => isProblem(versions));
  const all = brokers.map(({ address }) => address).join(', ');
  if (silent.length === 0) return fine(check, `every broker answers at its address: ${all}`);
  const found = silent.map(({ id, address, versions }) => {
    return `broker ${id} does not answer at ${address} (${(versions as SinkProblem).code})`;
  });
  const none = silent.length === brokers.length;
  return {
    check,
    severity: none ? 'error' : 'warning',
    found: found.join('; '),
    breaks: none
      ? nothingDelivered
      : 'Events of the partitions that this broker leads wait until it answers.',
    mend: mendAddress,
  };
}

function judgeVersions(brokers: readonly BrokerFacts[]): Finding[] {
  const check = 'kafka.version';
  const known = brokers.flatMap(({ id, versions }) => {
    return isProblem(versions) ? [] : [{ id, ...versions }];
  });
  if (known.length === 0) return [];
  const mute = known.filter(({ unspoken }) => unspoken.length > 0);
  const releases = [...new Set(known.map(({ release }) => release))].join('; ');
  if (mute.length === 0) return [fine(check, `Kafka ${releases}, by its protocol`)];
  const found = mute.map(({ id, unspoken }) => `broker ${id}: no common ${unspoken.join(', ')}`);
  return [
    {
      check,
      severity: 'error',
      found: `Kafka ${releases}, by its protocol; ${found.join('; ')}`,
      breaks:
        'Broker and client have no version of these requests in common: nothing is delivered.',
      mend: 'Use Kafka 0.11 or later, or an outbox-relay made for this Kafka.',
    },
  ];
}

function judgeSettings(facts: ClusterFacts): Finding[] {
  const check = 'kafka.settings';
  const topics = [...facts.topics.values()].filter(isKnown);
  const asked = [...facts.brokers, ...topics];
  const problems = asked.map(({ settings }) => settings).filter(isProblem);
  const [first] = problems;
  const number = `${problems.length} of ${asked.length}`;
  if (first === undefined) {
    const all = `${count(facts.brokers.length, 'broker')} and ${count(topics.length, 'topic')}`;
    return [fine(check, `${all} tell their settings`)];
  }
  return [
    {
      check,
      severity: 'note',
      found: `${number} brokers and topics do not tell theirs (${first.code})`,
      breaks: 'min.insync.replicas, unclean elections and retention cannot be judged.',
      mend: 'Allow DescribeConfigs to this user, or look at them by hand.',
    },
  ];
}

function judgeCreation(creates: boolean | null, { createTopics }: WantedTopics): Finding[] {
  const check = 'kafka.auto_create';
  if (creates === null) return []; // kafka.settings says that it is not known
  if (!creates) return [fine(check, 'auto.create.topics.enable is false')];
  if (createTopics !== 'broker') {
    return [fine(check, 'auto.create.topics.enable is true; this relay does not use it')];
  }
  return [
    {
      check,
      severity: 'note',
      found: 'auto.create.topics.enable is true',
      breaks:
        'A mistyped topic comes into being, with the broker’s default partitions and replicas.',
      mend: 'Set createTopics to "never" or to partitions and replicas, or switch it off in Kafka.',
    },
  ];
}

function judgeOffsets(minutes: readonly (number | null)[]): Finding[] {
  const known = minutes.filter((one) => one !== null);
  if (known.length === 0) return []; // kafka.settings says that it is not known
  const check = 'kafka.offsets_retention';
  const least = Math.min(...known);
  const found = `offsets.retention.minutes ${least}`;
  if (least >= limits.offsetsRetentionMinutesMin) return [fine(check, found)];
  return [
    {
      check,
      severity: 'warning',
      found: `${found}, less than seven days`,
      breaks: 'A consumer that stands still for longer loses its place: it repeats all or skips.',
      mend: `Set offsets.retention.minutes to ${limits.offsetsRetentionMinutesMin} or more.`,
    },
  ];
}

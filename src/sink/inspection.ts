/**
 * What can be told about Kafka without writing to it: the facts behind the doctor's findings.
 * Nothing here is an error: what could not be learnt is a {@link SinkProblem}.
 */

/** Why something could not be learnt. */
export interface SinkProblem {
  /** Kafka's error name, a system error name (`ECONNREFUSED`), or the driver's own word. */
  readonly code: string;
  readonly message: string;
}

/** `null` throughout: a setting that the broker does not have or did not tell. */
export interface BrokerSettings {
  /** auto.create.topics.enable */
  readonly createsTopics: boolean | null;
  /** offsets.retention.minutes */
  readonly offsetsRetentionMinutes: number | null;
}

export interface TopicSettings {
  /** min.insync.replicas */
  readonly minInSync: number | null;
  /** unclean.leader.election.enable */
  readonly uncleanElection: boolean | null;
  /** max.message.bytes, which bounds a whole record batch. */
  readonly messageBytesMax: number | null;
}

/** The copies of a partition that has a leader. */
export interface Copies {
  readonly replicas: number;
  readonly inSync: number;
}

export interface BrokerVersions {
  /** Kafka's release as far as its protocol tells, e.g. `4.1 or later`. */
  readonly release: string;
  /** Requests that the relay needs and that this broker and the client cannot both speak. */
  readonly unspoken: readonly string[];
}

export interface BrokerFacts {
  readonly id: number;
  /** The address that clients are told, `host:port`. */
  readonly address: string;
  /** A problem when the broker does not answer at that address. */
  readonly versions: BrokerVersions | SinkProblem;
  readonly settings: BrokerSettings | SinkProblem;
}

export interface TopicFacts {
  readonly partitions: number;
  /** Fewest replicas of any partition, 1 or more. */
  readonly replicas: number;
  /** Of the partitions that have a leader, each combination once. */
  readonly copies: readonly Copies[];
  /** Partitions without a leader for now. */
  readonly leaderless: readonly number[];
  readonly settings: TopicSettings | SinkProblem;
}

export interface ClusterFacts {
  readonly brokers: readonly BrokerFacts[];
  /** One entry per topic asked for; UNKNOWN_TOPIC_OR_PARTITION when there is none. */
  readonly topics: ReadonlyMap<string, TopicFacts | SinkProblem>;
}

/** No broker told what the cluster is. */
export interface Unreachable extends SinkProblem {
  /** Whether a configured address took the connection: then the brokers' own do not. */
  readonly connected: boolean;
}

export type SinkInspection = ClusterFacts | Unreachable;

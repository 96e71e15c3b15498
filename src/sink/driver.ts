/**
 * The driver seam: a Kafka client in our words.
 *
 * The relay owns deadlines, retries, batching and partitioning; a driver makes one try and says
 * what became of it. No method rejects because of the broker or the network: whatever a client
 * throws is classified (classify.ts) and returned. A rejection is a defect of the driver.
 */
import type { Header } from '../core/event.ts';

/** One record as it goes to Kafka. */
export interface SinkRecord {
  readonly topic: string;
  /** Always explicit: a client that chooses again on its own retry would move the record. */
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
  readonly timestampMs: number;
}

/** Kafka's word that a topic-partition's share of a batch is written. */
export interface PartitionAck {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the first record of this send in the partition, when the client tells. */
  readonly baseOffset: bigint | null;
}

/**
 * - `outage`: not reachable, or not able to serve; nothing is wrong with the records.
 * - `unknown`: may or may not have been written (timed out after the bytes left, partial answer).
 * - `partition-away`: a partition has no leader or too few replicas.
 * - `refused-topic`: the topic is missing or not authorised.
 * - `refused-record`: the broker says no to a record of the batch.
 * - `fenced`: another producer took this one's place.
 * - `bug`: nothing known; treated as an outage, logged with its full cause.
 */
export type SendFailureKind =
  | 'outage'
  | 'unknown'
  | 'partition-away'
  | 'refused-topic'
  | 'refused-record'
  | 'fenced'
  | 'bug';

/** Why a batch, or a question, came to nothing. */
export interface SendFailure {
  readonly kind: SendFailureKind;
  /** Kafka's error name, a system error name (`ECONNREFUSED`), or the driver's own word. */
  readonly code: string;
  readonly message: string;
  /** The topic at fault, when the client tells. */
  readonly topic: string | null;
  /** What was thrown, whole. `null` when nothing was. */
  readonly cause: unknown;
}

/** What became of a batch. */
export type SendOutcome =
  /** Every topic-partition of the batch was acknowledged with `acks=all`. */
  { readonly kind: 'acked'; readonly acks: readonly PartitionAck[] } | SendFailure;

/** What the broker knows of a topic. */
export interface TopicLeaders {
  readonly topic: string;
  /** Number of partitions; 0 when it does not exist and {@link Driver.prepare} may create it. */
  readonly partitions: number;
  /** Partitions without a leader for now. */
  readonly leaderless: readonly number[];
}

/** The answer to a question about topics, or why there is none. */
export type LeadersOutcome =
  | {
      readonly kind: 'answered';
      /** By topic: its leaders, or why it cannot take records. */
      readonly topics: ReadonlyMap<string, TopicLeaders | SendFailure>;
    }
  | SendFailure;

/** One ordered stream of sends; a lane has one. Calls do not overlap. */
export interface Sender {
  /**
   * Sends the records of one batch, in order per partition, and waits at most `deadlineMs`.
   * After any outcome but `acked` the underlying producer is gone and the next call makes a new
   * one. An empty batch is a programmer's error.
   */
  send(records: readonly SinkRecord[], deadlineMs: number): Promise<SendOutcome>;
  /** Gives the connection up; a later `send` connects again. Legal twice. */
  close(): Promise<void>;
}

/** A number that is committed with a batch, or not at all. */
export interface SlotMark {
  readonly slot: number;
  /** From 0. */
  readonly number: number;
  /** At most 1,000 characters. */
  readonly note: string;
}

/** Whose transactions, and where their watermarks are kept. */
export interface TransactionNames {
  /** The newest sender with this id is the only one that can commit. */
  readonly transactionalId: string;
  /** Keeps the outbox's watermarks apart from all others. */
  readonly group: string;
  /** Slots of the whole outbox. */
  readonly slots: number;
  /** Those that this sender marks: what others have is not read. */
  readonly ownSlots: readonly number[];
}

/** What Kafka has of a lane, or why that is not known. */
export type OpenOutcome =
  /** By slot; one that has none is not in it. */
  { readonly kind: 'opened'; readonly watermarks: ReadonlyMap<number, SlotMark> } | SendFailure;

/** One ordered stream of transactions; a lane has one. Calls do not overlap. */
export interface TransactionalSender {
  /** Whether {@link TransactionalSender.send} is legal: opened, and nothing has failed since. */
  readonly isOpen: boolean;
  /**
   * Whether Kafka may have lost what it has acknowledged last: a connection has ended since, so
   * its broker may have been killed. The next opening finds that out, and sends it once more.
   */
  readonly mayHaveLost: boolean;
  /**
   * Whether the last send has asked for its commit and not heard of it: Kafka may have it or not.
   * The next opening settles that, one way or the other.
   */
  readonly inDoubt: boolean;
  /**
   * Takes the place of every other sender with this id, settles what that one left open, sends
   * once more what Kafka has acknowledged to this one and lost, and tells the watermarks. Makes
   * their topic if need be. Waits at most `deadlineMs`.
   */
  open(deadlineMs: number): Promise<OpenOutcome>;
  /**
   * Sends the records, perhaps none, and the marks, at least one, in one transaction. After
   * any outcome but `acked` it is not open any more. What concerns the watermarks is never a
   * refusal of the records.
   */
  send(
    records: readonly SinkRecord[],
    marks: readonly SlotMark[],
    deadlineMs: number,
  ): Promise<SendOutcome>;
  /** Gives the connection up. Legal twice, and before it was opened. */
  close(): Promise<void>;
}

/** A Kafka client behind our words; a test may bring its own. */
export interface Driver {
  readonly name: string;
  /** A sender of its own connection and producer. `label` names it in logs. */
  createSender(label: string): Sender;
  /** A sender of transactions; a driver without it delivers at least once only. */
  createTransactionalSender?(label: string, names: TransactionNames): TransactionalSender;
  /**
   * Asks for the leaders of these topics, at most `deadlineMs`, and answers for each; an empty
   * list asks only whether a broker answers. Creates nothing.
   */
  leaders(topics: readonly string[], deadlineMs: number): Promise<LeadersOutcome>;
  /**
   * Makes these topics ready for records, in this order, at most `deadlineMs`: one that is missing
   * is created when the driver's options say so. Ends at the first that cannot take records, or
   * when the time is up; those behind have no entry. The first always has one.
   */
  prepare(topics: readonly string[], deadlineMs: number): Promise<LeadersOutcome>;
  /**
   * Closes every sender and connection; gives up waiting after `deadlineMs`. What is asked or sent
   * afterwards connects no more and is an `outage`, `DRIVER_CLOSED`. Legal twice.
   */
  close(deadlineMs: number): Promise<void>;
}

/**
 * The part of the store seam about events that are set aside, and why.
 *
 * Of one order key the first held event is its head, `retrying` or `dead`; those behind it are
 * `blocked`. A blocked event without a head of its key waits for a stop of its topic.
 */
import type { LoggedEvent } from '../core/event.ts';
import type { BatchBounds, Lease } from './lease.ts';

/** One topic's order key. */
export interface TopicKey {
  readonly topic: string;
  readonly orderKey: Buffer;
}

/** Kafka's, or our own, no to one event. */
export interface Refusal {
  readonly seq: number;
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
  /** Whether it has used up its retries. */
  readonly dead: boolean;
  /** Whether its key waits behind it. */
  readonly blocks: boolean;
  /** When it is sent again, or its copy to the dead-letter topic; wall time. `null`: never. */
  readonly nextAttemptAtMs: number | null;
}

/** An event that the cursor passes without a delivery. */
export interface Hold {
  readonly seq: number;
  /** Where it would go; `null` when that is not known. */
  readonly partition: number | null;
  /** Why it is the head of its key; `null`: it waits behind a head or a stop. */
  readonly refusal: Refusal | null;
}

/** A topic, or one of its partitions, that a lane cannot send to for now. */
export interface Stop {
  readonly topic: string;
  /** `null`: the whole topic. */
  readonly partition: number | null;
  /** Kafka's code, or `PAUSED`. */
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
  /** Events that were sent to see whether it is over. */
  readonly attempts: number;
  /** `null`: it ends with a pause. */
  readonly nextAttemptAtMs: number | null;
  /** It is over, and what it held goes first. */
  readonly draining: boolean;
}

/** What may not pass in a lane. */
export interface LaneHolds {
  /** Keys that wait behind an event of theirs. */
  readonly heads: readonly TopicKey[];
  readonly stops: readonly Stop[];
  readonly pausedTopics: readonly string[];
  /** Earliest of all waits, wall time; `null` when nothing waits for a time. */
  readonly nextDueAtMs: number | null;
}

export interface HeldEvent extends LoggedEvent {
  readonly orderKey: Buffer | null;
  /** Refusals so far. */
  readonly attempts: number;
  readonly code: string | null;
  readonly message: string | null;
  readonly firstFailedAtMs: number | null;
  readonly lastFailedAtMs: number | null;
  /** The event's own budget; `null`: the relay's. */
  readonly retries: number | null;
  readonly delayMs: number | null;
}

/** Where to look for held events of a stop. */
export interface HeldRange {
  readonly lane: number;
  readonly topic: string;
  /** `null`: of all partitions. */
  readonly partition: number | null;
  readonly afterSeq: number;
}

/** Where one batch's events of one topic-partition are, for `verify`. */
export interface LedgerEntry {
  readonly topic: string;
  readonly partition: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly events: number;
  /** Offset of the first; they follow each other. `null`: the client did not tell. */
  readonly firstOffset: number | null;
}

/**
 * What a send of held events has changed: one transaction. What an operator has done to an event
 * meanwhile stays.
 */
export interface HeldChange {
  /** Which events keep their key waiting. Default: dead ones, too. */
  readonly rules?: HeldRules;
  /** Seqs that Kafka has. A key's next event becomes its head. */
  readonly delivered?: readonly number[];
  readonly ledger?: readonly LedgerEntry[];
  readonly via: 'job' | 'sweep';
  readonly refusal?: Refusal;
  /** Events of this state whose next try is not before this time; `null`: there is none. */
  readonly deferred?: {
    readonly state: 'retrying' | 'dead';
    readonly seqs: readonly number[];
    readonly untilMs: number | null;
  };
  readonly stop?: Stop;
  readonly ended?: Pick<Stop, 'topic' | 'partition'>;
}

/** A topic, or one of its partitions, that takes no events: all lanes' stops of it. */
export interface StopFacts {
  readonly topic: string;
  /** `null`: the whole topic. */
  readonly partition: number | null;
  readonly code: string;
  readonly message: string;
  /** Of the first lane that found it so. */
  readonly sinceMs: number;
  /** Lanes that are stopped so. */
  readonly lanes: number;
}

/** What is held, in few numbers. */
export interface HeldSummary {
  /** Counted up to 10,000. */
  readonly retrying: number;
  /** Counted up to 10,000. */
  readonly dead: number;
  readonly stops: readonly StopFacts[];
  readonly pausedTopics: readonly string[];
}

/** How held events are told from those that may go on. */
export interface HeldRules {
  /** Whether a dead event keeps its key waiting: `deadLetter.order: block`. */
  readonly deadBlocks: boolean;
}

/** The relay's side of held events; every write is guarded by the lease. */
export interface HeldStore {
  read(lane: number, rules: HeldRules): LaneHolds;
  /** Whether an event of this key waits as its head. */
  hasHead(lane: number, key: TopicKey, rules: HeldRules): boolean;
  /** As `nextDueAtMs` of {@link HeldStore.read}, alone. */
  nextDueAtMs(lane: number): number | null;
  /** What keeps topics and partitions of the lane from taking events. */
  readStops(lane: number): Stop[];
  /** Retry budget of an event of the log. */
  readBudget(seq: number): { readonly retries: number | null; readonly delayMs: number | null };
  /** Heads whose time has come, the longest due first; not the dead. */
  readDue(lane: number, nowMs: number, bounds: BatchBounds): HeldEvent[];
  /** What waits behind this head, ascending by seq. */
  readBehind(head: HeldEvent, bounds: BatchBounds): HeldEvent[];
  /** Blocked events of a stop, ascending by seq. */
  readStopped(range: HeldRange, bounds: BatchBounds): HeldEvent[];
  /** Dead events whose copy to the dead-letter topic is due. */
  readUncopied(lane: number, nowMs: number, bounds: BatchBounds): HeldEvent[];

  /** Makes a stop, or changes it. */
  saveStop(lease: Lease, stop: Stop): Promise<boolean>;
  /**
   * Frees events that wait for nobody, e.g. behind one that an operator has taken out or a dead one
   * that does not block any more, and times that a clock set back has put far away.
   */
  mend(lease: Lease, rules: HeldRules): Promise<boolean>;
  /**
   * Marks held events as being sent, and none else of the lane, and tells the number of the send.
   * `changed` when one of them is not there any more, e.g. after an operator's act.
   */
  beginSend(lease: Lease, seqs: readonly number[]): Promise<number | 'changed' | 'leaseLost'>;
  settle(lease: Lease, change: HeldChange): Promise<boolean>;
}

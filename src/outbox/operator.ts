/** The part of the store seam for operators: what is held, and the acts on it. */

/** Where an event is. */
export type EventState = 'pending' | 'delivered' | 'retrying' | 'blocked' | 'dead' | 'skipped';

/** Which events; every part that is given must fit. */
export interface EventFilter {
  readonly topic?: string;
  /** The order key; text is taken as UTF-8. */
  readonly key?: string | Uint8Array;
  readonly states?: readonly EventState[];
  /** Code of the last refusal, e.g. `MESSAGE_TOO_LARGE`. */
  readonly code?: string;
  readonly seqs?: readonly number[];
  /** Event ids. */
  readonly ids?: readonly string[];
  /** Written at least this long ago, milliseconds. */
  readonly olderThanMs?: number;
  /** Written less than this long ago, milliseconds. */
  readonly youngerThanMs?: number;
}

/** What is known of an event without its payload. */
export interface EventFacts {
  readonly seq: number;
  readonly id: string;
  readonly topic: string;
  readonly key: Buffer | null;
  readonly partition: number | null;
  readonly lane: number;
  readonly state: EventState;
  readonly createdAtMs: number;
  /** Bytes of the value; `null` for a tombstone. */
  readonly valueBytes: number | null;
  /** Refusals so far; `null` when it is not held. */
  readonly attempts: number | null;
  readonly nextAttemptAtMs: number | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly firstFailedAtMs: number | null;
  readonly lastFailedAtMs: number | null;
}

/** An event with its payload. */
export interface WholeEvent extends EventFacts {
  readonly value: Buffer | null;
  /** As stored: JSON `[[name, base64 | null], …]`; `null` without any. */
  readonly headers: string | null;
  /** Retry budget of its own; `null`: the relay's. */
  readonly retries: number | null;
  readonly delayMs: number | null;
}

/** Dead events of one topic and cause. */
export interface DeadGroup {
  readonly topic: string;
  readonly code: string;
  readonly events: number;
  readonly firstSeq: number;
  readonly firstFailedAtMs: number;
  readonly lastFailedAtMs: number;
  /** Of the one with the first seq. */
  readonly message: string;
}

/** What can be done to held events. */
export type ActVerb = 'redrive' | 'skip' | 'purge';
/** What is paused or resumed: everything, a topic, or a lane. */
export type PauseTarget =
  | { readonly all: true }
  | { readonly topic: string }
  | { readonly lane: number };

/** Who does something to held events, and why. */
export interface Act {
  readonly verb: ActVerb;
  readonly filter: EventFilter;
  /** At most this many, in the order of their seq. */
  readonly limit: number;
  readonly actor: string;
  readonly reason: string | null;
  readonly dryRun: boolean;
}

/** How many events an act was about. */
export interface ActResult {
  /** Held events that fit the filter and the verb. */
  readonly matched: number;
  /** Of them, changed now (or that would be, in a dry run). */
  readonly changed: number;
  /** Left alone because a send of them is outstanding. */
  readonly inFlight: number;
  /** Redriven events that may arrive after newer ones of their key. */
  readonly mayBeOutOfOrder: number;
}

export interface PauseAct {
  readonly verb: 'pause' | 'resume';
  readonly target: PauseTarget;
  readonly actor: string;
  readonly reason: string | null;
  readonly dryRun: boolean;
}

/** Gives the watermarks of exactly-once delivery up. */
export interface ResetAct {
  readonly verb: 'reset-watermarks';
  readonly actor: string;
  readonly reason: string | null;
  readonly dryRun: boolean;
}

/** One act of an operator. */
export interface AuditRow {
  readonly id: number;
  readonly atMs: number;
  readonly actor: string;
  readonly verb: string;
  readonly reason: string | null;
  /** Filter or target, and counts. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Where events of one batch are in Kafka. */
export interface LedgerRow {
  readonly lane: number;
  readonly topic: string;
  readonly partition: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly events: number;
  /** `null`: the client did not tell. */
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
}

export interface SeqRange {
  readonly lane: number;
  readonly topic: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

export interface Page {
  /** At most this many. */
  readonly limit: number;
  /** Only behind this seq, or audit id. */
  readonly after: number;
}

/** Every act is one transaction with its row in the audit. */
export interface OperatorStore {
  list(filter: EventFilter, page: Page): EventFacts[];
  /** Ascending by seq, with payloads; for an export. */
  readWhole(filter: EventFilter, page: Page): WholeEvent[];
  find(event: { readonly seq: number } | { readonly id: string }): WholeEvent | null;
  /** The most events first. States of the filter are not looked at. */
  deadGroups(filter: EventFilter): DeadGroup[];
  audit(page: Page): AuditRow[];
  /** @param topic `null`: of all */
  ledger(topic: string | null): LedgerRow[];
  /** Delivered events, both ends counted; those that are still there. */
  deliveredBetween(range: SeqRange): Pick<EventFacts, 'id' | 'seq' | 'key'>[];
  /** @throws EVENT_NOT_FOUND, EVENT_NOT_HELD, EVENT_IN_FLIGHT, KEY_BLOCKED, OUTBOX_BUSY */
  act(act: Act): ActResult;
  /**
   * Returns how many lanes or topics changed.
   * @throws FILTER_INVALID for a lane that the file has not; OUTBOX_BUSY
   */
  pause(act: PauseAct): number;
  /** Returns how many lanes there are: all of them begin anew. */
  resetWatermarks(act: ResetAct): number;
  close(): void;
}

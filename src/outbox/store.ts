/**
 * The store seam: what the rest of the project may ask of an outbox file.
 *
 * Two parts. An {@link EventAppender} is synchronous and joins whatever transaction is open on the
 * application's own handle. An {@link OutboxStore} has a connection of its own, never the
 * application's; its writes are one IMMEDIATE transaction each and wait for the write lock without
 * blocking the event loop. Every owner's write carries its {@link Lease} and is guarded by the
 * fence: `false` means that the lease was lost, which is a normal event and not an error.
 *
 * Errors thrown by every method: OUTBOX_BUSY, OUTBOX_FULL, OUTBOX_IO, OUTBOX_CLOSED, FILE_DAMAGED.
 * Not promised: that two reads in a row see the same state.
 */
import type { AppendResult, EncodedEvent, LoggedEvent } from '../core/event.ts';
import type { HeldStore, HeldSummary, Hold, LedgerEntry } from './held.ts';
import type { BatchBounds, Lease } from './lease.ts';
import type { RecoveryStore } from './recovery.ts';

export type { BatchBounds, Lease } from './lease.ts';

/** What makes this file this outbox. */
export interface OutboxIdentity {
  /** UUID of the file. Names the BullMQ queue and the default `outbox-source` header. */
  readonly outboxId: string;
  /** Number of lanes, as the file had it when it was opened. Lanes are 0 … lanes - 1. */
  readonly lanes: number;
}

/** What an outbox may hold; beyond it events are refused at the door, never shed. */
export interface Bounds {
  /** Events that wait, held ones too. Default: none. */
  readonly events?: number | undefined;
  /** Bytes of the file that are in use, and of the log of changes beside it. Default: none. */
  readonly bytes?: number | undefined;
  /**
   * Bytes of the disk that must stay free, besides what the log of changes has yet to copy into
   * the file; 0 for none. Default: 16 MiB.
   */
  readonly freeDiskBytes?: number | undefined;
}

export interface EventAppender {
  readonly identity: OutboxIdentity;
  /**
   * Appends all events or none. Joins the open transaction of the handle, or commits by itself
   * when none is open. Results are in the order of the events.
   */
  append(events: readonly EncodedEvent[]): AppendResult[];
}

/** Why a lane does not move. Kept in the file, so that `status` shows it without a relay. */
export interface LaneFailure {
  /** A failed outcome of a send (`SendFailure.kind`). */
  readonly kind: string;
  /** Kafka's or the driver's own code, e.g. `MESSAGE_TOO_LARGE`. */
  readonly code: string;
  readonly message: string;
  readonly topic: string | null;
  /** The one event that is refused, once it is known. */
  readonly seq: number | null;
  readonly atMs: number;
}

export interface LaneRecord {
  readonly lane: number;
  /** Everything of this lane up to and including this seq is settled. */
  readonly cursor: number;
  readonly owner: string | null;
  readonly fence: number;
  /** Grows while the owner lives; a lease is over when it stood still for the lease's length. */
  readonly renewals: number;
  /** Failed drains in a row; 0 after a settled batch. */
  readonly failures: number;
  readonly failure: LaneFailure | null;
  readonly delivered: number;
  /** Part of `delivered` that a BullMQ job's processor sent. */
  readonly deliveredByJob: number;
  /** Rounds of retries that were used up without success. */
  readonly roundsUsedUp: number;
  /** Events set aside: `retrying`, `blocked` or `dead`. */
  readonly held: number;
  /** Grows when somebody else than the owner changes what is held. */
  readonly heldRevision: number;
  /** By an operator: nothing of it is sent. */
  readonly paused: boolean;
}

export interface Settlement {
  /** New cursor: seq of the last event of the acknowledged batch. Must be above the old one. */
  readonly cursor: number;
  readonly delivered: number;
  readonly via: 'job' | 'sweep';
  /** Where the delivered ones are. Default: not told. */
  readonly ledger?: readonly LedgerEntry[];
  /** Events at or below the cursor that are set aside, and were not before. Default: none. */
  readonly holds?: readonly Hold[];
}

export type RelayPhase = 'running' | 'stopped';
/** `open` during an outage: lanes ask once and wait instead of sending. */
export type CircuitState = 'closed' | 'open';

/** What a relay writes once a second while it is active. */
export interface Heartbeat {
  readonly owner: string;
  readonly phase: RelayPhase;
  readonly atMs: number;
  readonly circuit: CircuitState;
  readonly ratePerSecond: number;
}

/** The whole state in a few reads; no method of it counts rows. */
export interface OutboxSummary extends HeldSummary {
  readonly identity: OutboxIdentity;
  /** Events ever accepted: the highest seq. */
  readonly accepted: number;
  readonly delivered: number;
  readonly held: number;
  /** By an operator: skipped or purged. */
  readonly removed: number;
  /** What is neither delivered, held, nor removed; exactly 0 when every lane is at its end. */
  readonly pending: number;
  readonly oldestPendingAtMs: number | null;
  readonly lanes: readonly LaneRecord[];
  readonly heartbeat: Heartbeat | null;
}

export interface OutboxStore {
  readonly identity: OutboxIdentity;
  /** Events that are set aside, and what keeps them. */
  readonly held: HeldStore;
  /** Transactions that may be committed and not settled here. */
  readonly recovery: RecoveryStore;

  /** One commit for all events, or none of them. Resolves when durable. */
  appendAll(events: readonly EncodedEvent[]): Promise<AppendResult[]>;
  /**
   * One commit for all callers' events, each in a SAVEPOINT of its own: a bad one gets its error,
   * the others are stored. Resolves when durable. Rejects as a whole with OUTCOME_UNKNOWN when
   * the COMMIT itself failed with an I/O error.
   */
  appendEach(events: readonly EncodedEvent[]): Promise<(AppendResult | Error)[]>;

  /** Differs from the last call's value after a commit by any other connection. Cheap. */
  changeMark(): number;
  /**
   * Lanes with an event above their cursor, or a held one that is due; not the paused ones. A few
   * index probes a lane.
   */
  lanesWithWork(): number[];
  /** When the next held event of any lane is due, wall time; `null`: none waits for a time. */
  nextDueAtMs(): number | null;
  readLane(lane: number): LaneRecord;
  summary(): OutboxSummary;
  /** Held events of a topic, counted up to 10,000. */
  countHeld(topic: string): number;
  /** The next events of a lane, ascending by seq, all above `afterSeq`; empty = none. */
  readBatch(lane: number, afterSeq: number, bounds: BatchBounds): LoggedEvent[];

  /**
   * Holds the kernel's lock on a side file as long as this process lives or until released, so
   * that others can tell at once that this owner is gone.
   */
  announceOwner(owner: string): Promise<{ withdraw(): Promise<void> }>;
  /** Whether that lock is held. Removes the side file of an owner that is gone. */
  isOwnerAlive(owner: string): boolean;
  /** Takes a lane whose fence is still `expectedFence`; `null` when somebody else was faster. */
  claimLane(lane: number, owner: string, expectedFence: number): Promise<Lease | null>;
  /** Lets `renewals` of every lane of this owner grow by one. */
  renewLeases(owner: string): Promise<void>;
  /** Whether the lease is still the current one. Read just before bytes leave. */
  holdsLane(lease: Lease): boolean;
  releaseLane(lease: Lease): Promise<boolean>;

  /** Moves the cursor past what was delivered and what is held, counts, clears the failure. */
  settle(lease: Lease, settlement: Settlement): Promise<boolean>;
  /** Stores why the lane does not move and adds one to `failures`. */
  recordFailure(lease: Lease, failure: LaneFailure): Promise<boolean>;
  recordRoundUsedUp(lane: number): Promise<void>;

  /** Partition count of a topic as first seen, or `null`. */
  readPartitions(topic: string): number | null;
  rememberPartitions(topic: string, partitions: number): Promise<void>;

  /**
   * Rejects with LANES_DIFFER when the file no longer has the lanes of `identity`; never after a
   * first success, while the owner is announced. Rejects with SCHEMA_NEWER when another process has
   * migrated the file beyond this code; no lane can be claimed then.
   */
  writeHeartbeat(heartbeat: Heartbeat): Promise<void>;
  /**
   * Deletes delivered events that were created before `beforeMs`, oldest first, at most `rows` in
   * one transaction. Never deletes a pending or held event. Returns how many were deleted.
   */
  prune(beforeMs: number, rows: number): Promise<number>;
  /**
   * Gives some of the file's free pages back to the disk, when there are so many that it is worth
   * the writes. Returns whether another call would, too; only after the last one is the file
   * smaller for certain.
   */
  shrink(): Promise<boolean>;

  /** Bytes of the log of changes beside the file; an old read transaction keeps it growing. */
  walBytes(): number;

  /** Closes the connection. Legal twice. */
  close(): void;
}

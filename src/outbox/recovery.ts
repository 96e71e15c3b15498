/**
 * The part of the store seam about transactions that a run has begun and perhaps not settled:
 * `delivery: 'exactly-once'`. Every write is guarded by the lease.
 */
import type { Hold } from './held.ts';
import type { Lease } from './lease.ts';

export interface SendingEvent {
  readonly seq: number;
  readonly id: string;
}

/** What the file knows of a lane's last transaction. */
export interface LaneRecovery {
  /** A run has begun transactions and has not said that all of them are settled. */
  readonly open: boolean;
  /** Number of the last send of held events; 0 before the first. */
  readonly sendNo: number;
  /** Held events of that send which are not settled, ascending by seq. */
  readonly sending: readonly SendingEvent[];
}

export interface RecoveryStore {
  read(lane: number): LaneRecovery;
  /** Changes when the file is made anew or its watermarks are given up, at any time. */
  incarnation(): string;
  /** Whether a run has left transactions open, or events set aside that no cursor has passed. */
  isLeft(lane: number): boolean;
  /** Id of an event of this lane's log; `null`: there is none of this seq in it. */
  idOf(lane: number, seq: number): string | null;
  /** Events of the lane above `afterSeq`, up to and including `seq`, that are set aside. */
  countAside(lane: number, afterSeq: number, seq: number): number;
  /** Says that transactions may be committed from now on that are not settled here. */
  begin(lease: Lease): Promise<boolean>;
  /**
   * Says that all are settled, and takes back what was set aside for one that was not made. Without
   * effect when somebody has claimed the lane since.
   */
  end(lane: number, fence: number): Promise<void>;
  /** Sets events aside that the transaction about to be sent will pass. */
  setAside(lease: Lease, holds: readonly Hold[]): Promise<boolean>;
  /**
   * Moves the cursor to what Kafka has, if that is ahead, counting as delivered what is not held,
   * and takes back what was set aside for a transaction that Kafka does not have.
   */
  passTo(lease: Lease, seq: number): Promise<boolean>;
}

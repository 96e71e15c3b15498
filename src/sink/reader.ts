/** The part of the driver seam that reads back what was written: for `verify` alone. */

/** Where one partition is read, both ends counted. */
export interface ReadRange {
  readonly partition: number;
  /** `null`: from the first record that is there. */
  readonly fromOffset: number | null;
  /** `null`: to the last one that is there now. */
  readonly toOffset: number | null;
}

/** What is read of a record: never its key or value. */
export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  /** The `outbox-event-id` header; `null` without one. */
  readonly eventId: string | null;
}

export interface ReadRequest {
  readonly topic: string;
  readonly ranges: readonly ReadRange[];
  readonly onRecord: (record: ReadRecord) => void;
  /** Without a record for this long it is given up, milliseconds. */
  readonly patienceMs: number;
}

/** Reads as a consumer that sees committed records only, in a group of its own. */
export interface LogReader {
  /** Rejects with READ_FAILED. */
  read(request: ReadRequest): Promise<void>;
  close(): Promise<void>;
}

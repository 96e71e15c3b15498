/**
 * What can be told about an outbox file without opening it for writing: the facts behind the
 * doctor's findings. Nothing here is an error: what could not be learnt is a {@link FileProblem}.
 */

/** Why something could not be learnt; `hint` is the operator's next step. */
export interface FileProblem {
  /** One of ours (docs/errors.md), or the system's name, e.g. `EACCES`. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface FolderFacts {
  /** Type of the mount, e.g. `ext4`; `null` where the system does not tell. */
  readonly mountType: string | null;
  /** Name of the network file system; `null` for a local one. */
  readonly network: string | null;
  /** Bytes that an unprivileged process may still write. */
  readonly freeBytes: bigint;
  /** Whether this process may make files here: SQLite keeps its log beside the file. */
  readonly writable: boolean;
}

export interface FileFacts {
  readonly bytes: number;
  /** Of the log of changes beside it; 0 when there is none. */
  readonly walBytes: number;
  /** Permission bits, e.g. `0o640`; `null` where they mean nothing (Windows). */
  readonly mode: number | null;
  /** Whether this process may read and write it. */
  readonly writable: boolean;
}

export interface SqliteFacts {
  readonly version: string;
  /** Older than the first release that does not corrupt a WAL file. */
  readonly tooOld: boolean;
  /**
   * `node:sqlite`, an SQLite of its own: not loaded in this thread; loaded, while the file is not
   * open in this process; or loaded, and the file may be open in it.
   */
  readonly builtin: 'absent' | 'elsewhere' | 'perhaps';
}

export interface PragmaFacts {
  /** `wal` in an outbox that is in order. */
  readonly journalMode: string;
  /** What a connection of ours gets; 2 is FULL, 3 EXTRA. */
  readonly synchronous: number;
  /** 2 gives unused pages back in small steps, 0 keeps them for later. */
  readonly autoVacuum: number;
  /** Bytes of pages that hold nothing. */
  readonly freePagesBytes: number;
}

export interface TopicOfOutbox {
  readonly topic: string;
  /** Partition count that keys were placed over; `null` before the first send. */
  readonly partitions: number | null;
}

export interface ContentFacts extends PragmaFacts {
  /** Version of the file's schema; 0 when it has no tables of ours. */
  readonly schema: number;
  /** Code that knows this schema, or a later one, may use the file; 0 without tables of ours. */
  readonly schemaOldestCode: number;
  /** The newest schema that this code knows. */
  readonly schemaKnown: number;
  /** Lanes that wait for `reset-watermarks`, ascending; `null` unless the file may be used. */
  readonly lanesAtOdds: readonly number[] | null;
  /** Topics of the next pending events and of the last sends; `null` unless it may be used. */
  readonly topics: readonly TopicOfOutbox[] | null;
  /** Whether there are more topics than were read. */
  readonly topicsCut: boolean;
}

export interface FileInspection {
  readonly path: string;
  readonly folder: FolderFacts | FileProblem;
  /** `null` when there is no file. */
  readonly file: FileFacts | FileProblem | null;
  readonly sqlite: SqliteFacts | FileProblem;
  /** `null` when the file was not opened: there is none, it is no file, or it could do harm. */
  readonly contents: ContentFacts | FileProblem | null;
}

/**
 * What can be wrong inside an outbox file, and what a repair of one came to. Types alone; nothing
 * here is an error: a damaged file is what these facts are about.
 */

/** What one look at the file is for. Stable: never reused for another meaning. */
export type FaultCode =
  | 'file.integrity'
  | 'file.foreign_keys'
  | 'file.not_looked_at'
  | 'schema.version'
  | 'schema.objects'
  | 'meta.row'
  | 'lane.rows'
  | 'lane.cursor'
  | 'lane.held_count'
  | 'lane.counters'
  | 'sequence.behind'
  | 'event.lane_unknown'
  | 'event.lane_wrong'
  | 'event.missing'
  | 'held.no_event'
  | 'held.wrong_place'
  | 'held.ahead'
  | 'held.no_time'
  | 'held.two_heads'
  | 'held.no_head'
  | 'dedupe.other_event'
  | 'audit.unreadable'
  | 'stop.lane_unknown';

/** A code that has something to tell. */
export interface Fault {
  readonly code: FaultCode;
  /** How many, at least 1. */
  readonly count: number;
  /** The first ones, without payload. */
  readonly examples: readonly string[];
}

/** Told while a long look or a repair goes on; `of` is `null` when the end is not known. */
export type Progress = (what: string, done: number, of: number | null) => void;

/** What was read of one table. */
export interface TableCount {
  readonly table: string;
  /** Rows that are in the new file. */
  readonly read: number;
  /** Rows that are known to be lost; `null`: some are, or may be, and nobody knows how many. */
  readonly lost: number | null;
}

/** The log of changes (`-wal`) beside the damaged file. */
export interface LogFacts {
  /** Pages in it, those of unfinished transactions included. */
  readonly pages: number;
  /** Pages up to the last commit that can be trusted. */
  readonly used: number;
  /** Pages behind that, which can have been commits. */
  readonly suspect: number;
}

/** What a repair came to. */
export interface RepairFacts {
  readonly outboxId: string;
  /** Whether that is the old one; a new one gets a queue of its own in Redis. */
  readonly outboxIdKept: boolean;
  readonly log: LogFacts;
  readonly tables: readonly TableCount[];
  readonly events: {
    /** Events in the new file. */
    readonly read: number;
    /** Part of them that only a search through every page has found. */
    readonly found: number;
    /** Lost ones that were pending or held, as far as anybody can tell. */
    readonly lost: number;
    /**
     * Whether that is the number; otherwise it is a bound, and the log may have lost others. An
     * event whose own bytes have changed, an id too, is none that is lost: nobody can tell.
     */
    readonly lostExact: boolean;
    /** Lost ones that were delivered; `null`: nobody knows how many. */
    readonly lostDelivered: number | null;
  };
  /** Lanes whose cursor was lost: what stands behind the one that is proven is sent again. */
  readonly lanesReset: readonly number[];
  /** Events set aside, as nobody can tell whether they were held; they are sent first. */
  readonly setAside: number;
  /** Events that will be sent and may have been delivered before. */
  readonly mayRepeat: number;
  /** Numbers that are left out, so that none is given twice. */
  readonly seqsLeftOut: number;
  /** Indexes, triggers, views and tables of the application that could not be made again. */
  readonly objectsLost: readonly string[];
}

/** What is wrong inside the file, how bad it is, and what to do about it. Pure. */
import type { Fault, FaultCode } from '../outbox/integrity.ts';
import { type Severity, severities } from './doctor/finding.ts';

export type { FaultCode } from '../outbox/integrity.ts';

/** Something that is wrong inside the file. */
export interface FileFault extends Fault {
  /** As the doctor's: `note`, `warning` or `error`. */
  readonly severity: Exclude<Severity, 'ok'>;
  /** What it means. */
  readonly what: string;
  /** What an operator can do about it. */
  readonly hint: string;
}

/** The JSON of `outbox-relay check --json`. */
export interface CheckReport {
  readonly path: string;
  /** Whether nothing is worse than a note. */
  readonly ok: boolean;
  readonly worst: Severity;
  /** The worst first; empty when all is well. */
  readonly findings: readonly FileFault[];
}

type Verdict = Pick<FileFault, 'severity' | 'what' | 'hint'>;

const repair = 'Stop what uses the file and run `outbox-relay repair --db FILE`.';
const byItself = 'Nothing: the relay mends it with its next drain of the lane.';
const report = 'Report it: no version of outbox-relay writes this.';

/** What each code means; docs/operations.md has a row for each. */
export const verdicts: Readonly<Record<FaultCode, Verdict>> = Object.freeze({
  'file.integrity': {
    severity: 'error',
    what: 'pages of the file are damaged: what is on them cannot be read or trusted',
    hint: repair,
  },
  'file.foreign_keys': {
    severity: 'warning',
    what: 'rows of the application refer to rows that are not there',
    hint: 'It concerns the application’s own tables alone; the outbox works.',
  },
  'file.not_looked_at': {
    severity: 'note',
    what: 'tables of the application need its own functions, collations or modules to be checked',
    hint: 'Nothing: the application itself can check them, with PRAGMA integrity_check.',
  },
  'schema.version': {
    severity: 'error',
    what: 'the tables are not those that this version works with; nothing else was looked at',
    hint: 'Run `outbox-relay migrate --db FILE`, or update outbox-relay if the file is newer.',
  },
  'schema.objects': {
    severity: 'error',
    what: 'tables, indexes or triggers of the outbox are missing or were changed',
    hint: repair,
  },
  'meta.row': {
    severity: 'error',
    what: 'the outbox does not know which one it is; nothing else was looked at',
    hint: repair,
  },
  'lane.rows': {
    severity: 'error',
    what: 'the lanes are not those that the file should have: events of one may wait for ever',
    hint: repair,
  },
  'lane.cursor': {
    severity: 'error',
    what: 'a cursor is ahead of every event: the next events would be skipped as delivered',
    hint: repair,
  },
  'sequence.behind': {
    severity: 'error',
    what: 'a seq would be given twice, and its event skipped as delivered',
    hint: repair,
  },
  'lane.held_count': {
    severity: 'warning',
    what: 'the counter of held events is wrong: status and bounds count wrongly',
    hint: repair,
  },
  'lane.counters': {
    severity: 'note',
    what: 'the counters of a lane leave another number of pending events than there are',
    hint: 'Nothing, if a writer of your own chooses the seq; status counts wrongly then.',
  },
  'event.lane_unknown': {
    severity: 'error',
    what: 'events are in a lane that the file has not: no relay reads them',
    hint: repair,
  },
  'event.lane_wrong': {
    severity: 'warning',
    what: 'pending events are in another lane than their key’s: they will be refused and held',
    hint: 'Mend the writer (docs/table-contract.md); the relay keeps such events out of order.',
  },
  'event.missing': {
    severity: 'warning',
    what: 'events were accepted and are not there, though no cursor has passed them',
    hint: 'Nothing, if a writer of your own chooses the seq; otherwise somebody deleted rows.',
  },
  'held.no_event': {
    severity: 'error',
    what: 'held events are not in the log: they can never be sent',
    hint: repair,
  },
  'held.wrong_place': {
    severity: 'error',
    what: 'held events have another lane, topic or key than in the log: order is lost',
    hint: report,
  },
  'held.ahead': {
    severity: 'error',
    what: 'held events stand above the cursor: the lane would try to hold them again',
    hint: repair,
  },
  'held.no_time': {
    severity: 'error',
    what: 'held events have no time for their next try: they wait for ever',
    hint: 'Run `outbox-relay redrive --db FILE --seq N` for each of them.',
  },
  'held.two_heads': {
    severity: 'warning',
    what: 'a key has more than one event that is tried: they may arrive out of order',
    hint: report,
  },
  'held.no_head': {
    severity: 'note',
    what: 'blocked events wait for nothing any more',
    hint: byItself,
  },
  'dedupe.other_event': {
    severity: 'warning',
    what: 'a dedupe key answers with the id of another event',
    hint: report,
  },
  'audit.unreadable': {
    severity: 'warning',
    what: 'rows of the audit are no JSON: `outbox-relay audit` cannot show them',
    hint: report,
  },
  'stop.lane_unknown': {
    severity: 'note',
    what: 'stops of lanes that the file has not',
    hint: 'Nothing: nobody waits for them.',
  },
});

/** What was found, the worst first. */
export function judge(path: string, faults: readonly Fault[]): CheckReport {
  const rank = ({ severity }: Verdict) => severities.indexOf(severity);
  const findings = faults
    .map((fault) => ({ ...fault, ...verdicts[fault.code] }))
    .toSorted((a, b) => rank(b) - rank(a));
  const worst = findings[0]?.severity ?? 'ok';
  return { path, ok: worst === 'ok' || worst === 'note', worst, findings };
}

/** Whether `repair` mends any of these. */
export function needsRepair(faults: readonly Fault[]): boolean {
  return faults.some(({ code }) => verdicts[code].hint === repair);
}

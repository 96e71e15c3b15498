/**
 * From findings to a verdict: which promises were broken, and the exit code that says so.
 */
import type { Findings } from '../../src/testing/checker.ts';
import type { Recovery } from './recovery.ts';

/** Of the checker's; that no event is late is judged by the recovery. */
type LogFindings = Omit<Findings, 'examples' | 'late'>;

/** What a demo run reports, under the names of `--report FILE`. */
export interface DemoReport extends LogFindings, Recovery {
  /** Events that the publisher set out to publish (`--events`). */
  readonly issued: number;
  /** Rounds of retries that were used up without success. */
  readonly roundsUsedUp: number | null;
  /** Events sent by a BullMQ job's processor. */
  readonly deliveredByJob: number | null;
  /** Most events that waited at once, as `status` showed it. */
  readonly peakPending: number | null;
  /** Most repeats that the kills explain: kills of broker and relay × lanes × batch size. */
  readonly duplicateBound: number;
  /** How often the relay died without being killed by the demo. */
  readonly relayCrashes: number;
  readonly outageSeconds: number;
  /** Events waiting when Redis was flushed, and when the relay was killed. */
  readonly pendingAtFlush: number;
  readonly pendingAtRelayKill: number;
  readonly runSeconds: number;
  readonly faults: readonly string[];
}

export interface DuplicateCauses {
  /** Kills of broker and relay. */
  readonly kills: number;
  readonly lanes: number;
  /** Events in a batch; each lane has at most one batch in flight. */
  readonly batchEvents: number;
}

export function duplicateBoundOf({ kills, lanes, batchEvents }: DuplicateCauses): number {
  return kills * lanes * batchEvents;
}

/** The broken promises of a log, in words; empty when all hold. */
export function judgeFindings(findings: LogFindings, duplicateBound: number) {
  const { accepted, delivered, duplicated } = findings;
  const faults: string[] = [];
  if (accepted === 0) faults.push('nothing was accepted');
  for (const name of ['lost', 'reordered', 'mismatched', 'unissued'] as const) {
    if (findings[name] !== 0) faults.push(`${name} is ${findings[name]}, not 0`);
  }
  if (delivered !== accepted) faults.push(`delivered ${delivered} is not accepted ${accepted}`);
  if (duplicated > duplicateBound) {
    faults.push(`duplicated ${duplicated} is more than the kills explain (${duplicateBound})`);
  }
  return faults;
}

/** As {@link judgeFindings}, and that the run was a test at all: the outage was felt. */
export function judgeRun(report: Omit<DemoReport, 'faults'>): string[] {
  const faults = judgeFindings(report, report.duplicateBound);
  const { issued, accepted, unknown } = report;
  if (accepted + unknown !== issued) {
    faults.push(`accepted ${accepted} and unknown ${unknown} are not all of ${issued} issued`);
  }
  if (unknown > 0)
    faults.push(`the outcome of ${unknown} publishes is unknown: nothing broke the file`);
  if (report.relayCrashes > 0) faults.push(`the relay died ${report.relayCrashes} times by itself`);
  if (report.deliveredByJob === 0) faults.push('nothing was sent by a job');
  if (report.pendingAtFlush === 0) faults.push('nothing was waiting when Redis was flushed');
  if (report.acceptedDuringOutage === 0) faults.push('nothing was accepted during the outage');
  if (report.roundsUsedUp === null) faults.push('status did not tell the rounds used up');
  else if (report.roundsUsedUp < 1) faults.push('no round of retries was used up');
  return faults;
}

export function exitCodeOf(faults: readonly string[]): 0 | 1 {
  return faults.length === 0 ? 0 : 1;
}

/**
 * The report of a run: put together from the checker's findings, the outage's moments and what
 * `status` said, then shown as a table or written as JSON.
 */
import { writeFileSync } from 'node:fs';
import { checkDelivery } from '../../src/testing/checker.ts';
import { readConsumed } from './consumed.ts';
import { type DemoReport, duplicateBoundOf, judgeRun } from './judge.ts';
import { readLedger } from './ledger.ts';
import { measureRecovery } from './recovery.ts';
import type { OutboxStatus } from './status.ts';
import type { Story } from './story.ts';
import type { Paint } from './view.ts';

/** `batchEvents` of the relay as the demo runs it: the default (docs/configuration.md). */
const batchEvents = 1_000;

export interface RunFacts {
  readonly ledgerFile: string;
  readonly consumedFile: string;
  readonly story: Story;
  readonly status: OutboxStatus;
  readonly peakPending: number | null;
  readonly issued: number;
  readonly outageSeconds: number;
  readonly runSeconds: number;
}

export interface RunResult {
  readonly report: DemoReport;
  /** Some of the faults in words. */
  readonly examples: readonly string[];
}

/** Reads ledger and consumed records and judges them. */
export function buildReport(facts: RunFacts): RunResult {
  const ledger = readLedger(facts.ledgerFile);
  const consumed = readConsumed(facts.consumedFile);
  const { examples, late: _notAsked, ...findings } = checkDelivery(ledger, consumed);
  const { kills, relayCrashes, times, pendingAtFlush, pendingAtRelayKill } = facts.story;
  const { lanes, roundsUsedUp, deliveredByJob } = facts.status;
  const { issued, peakPending, outageSeconds, runSeconds } = facts;
  const duplicateBound = duplicateBoundOf({ kills, lanes, batchEvents });
  const recovery = measureRecovery(ledger, consumed, times);
  const relayed = { roundsUsedUp, deliveredByJob, peakPending, duplicateBound, relayCrashes };
  const moments = { outageSeconds, pendingAtFlush, pendingAtRelayKill, runSeconds };
  const unjudged = { issued, ...findings, ...recovery, ...relayed, ...moments };
  return { report: { ...unjudged, faults: judgeRun(unjudged) }, examples };
}

export function writeReport(file: string, report: DemoReport): void {
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

const numbers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 3 });

/** The verdict as a table, one line a row. */
export function reportLines({ report, examples }: RunResult, paint: Paint): string[] {
  const row = (name: keyof DemoReport, remark: string) => {
    const value = report[name];
    const text = typeof value === 'number' ? numbers.format(value) : '–';
    return `  ${name.padEnd(22)}${text.padStart(10)}  ${paint.dim(remark)}`;
  };
  const verdict =
    report.faults.length === 0
      ? paint.green('PASSED: every accepted event is in Kafka, each key in order')
      : paint.red('FAILED');
  return [
    verdict,
    '',
    row('accepted', 'by the publisher’s own ledger, synced before counting'),
    row('delivered', 'found by the independent consumer, same id, key and bytes'),
    row('lost', 'must be 0'),
    row(
      'duplicated',
      `repeats; the kills explain at most ${numbers.format(report.duplicateBound)}`,
    ),
    row('reordered', 'must be 0'),
    row('mismatched', 'must be 0'),
    row('unissued', 'must be 0'),
    row('unknown', 'publishes whose outcome is unknown'),
    row('acceptedDuringOutage', 'while the broker was dead'),
    row('roundsUsedUp', 'rounds of 3 retries that failed, without a loss'),
    row('deliveredByJob', 'sent by a BullMQ job'),
    row('relayCrashes', 'deaths of the relay that were not the demo’s doing, must be 0'),
    row('peakPending', 'most events waiting at once'),
    row('pendingAtFlush', 'waiting when Redis was flushed'),
    row('firstDeliverySeconds', 'from the probe’s first answer to the first new record'),
    row('drainSeconds', 'until all that had waited was delivered'),
    row('drainPerSecond', 'events per second meanwhile'),
    row('runSeconds', ''),
    ...report.faults.map((fault) => paint.red(`  ✗ ${fault}`)),
    ...examples.map((example) => `    ${example}`),
  ];
}

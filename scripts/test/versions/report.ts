/** What `npm run test:versions` prints and writes. Pure. */
import type { Counts, TestResult } from '../suites.ts';
import type { Row } from './rows.ts';

/** Versions as the images tell them, not as they were asked for. */
export interface Versions {
  readonly kafka: string;
  /** With the server's name: `Redis 7.0.15`. */
  readonly redis: string;
}

export type Outcome =
  | ({ readonly row: Row; readonly versions: Versions; readonly seconds: number } & TestResult)
  | { readonly row: Row; readonly notAvailable: string };

export interface VersionsReport extends Counts {
  readonly rows: readonly object[];
  readonly ok: boolean;
}

/**
 * @param left containers that tests did not remove
 * @param strict rows that are not available and skipped tests are failures, as in CI
 */
export function reportOf(
  outcomes: readonly Outcome[],
  left: readonly string[],
  strict: boolean,
): { readonly lines: string[]; readonly report: VersionsReport } {
  const ran = outcomes.filter((outcome) => 'versions' in outcome);
  const sum = (field: keyof Counts) => ran.reduce((total, one) => total + one[field], 0);
  const [passed, skipped] = [sum('passed'), sum('skipped')];
  const failed = sum('failed') + (left.length > 0 ? 1 : 0);
  const missing = outcomes.length - ran.length;
  const incomplete = strict && (missing > 0 || skipped > 0);
  // A run that has tested nothing has not passed, wherever it was.
  const ok = failed === 0 && !incomplete && ran.length > 0;
  const lines = table(outcomes);
  for (const { row, failures } of ran) {
    lines.push(...failures.map((failure) => `failed, ${row.name}: ${failure}`));
  }
  if (left.length > 0) lines.push(`left behind: ${left.join(', ')}`);
  if (incomplete) lines.push('skipped tests and rows that are not available are failures in CI');
  else if (missing > 0) lines.push(`${missing} of ${outcomes.length} rows not available`);
  lines.push(`Tests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  return { lines, report: { rows: outcomes.map(factsOf), passed, failed, skipped, ok } };
}

function factsOf(outcome: Outcome): object {
  const { row, ...facts } = outcome;
  if ('notAvailable' in facts) return { name: row.name, ...facts };
  const { versions, seconds, ...result } = facts;
  return { name: row.name, ...versions, ...result, seconds: Math.round(seconds * 10) / 10 };
}

function table(outcomes: readonly Outcome[]): string[] {
  const cells = outcomes.map((outcome) => {
    if ('notAvailable' in outcome) return [outcome.row.name];
    const { row, versions, passed, failed, skipped, seconds } = outcome;
    const counts = [passed, failed, skipped].map(String);
    return [row.name, versions.kafka, versions.redis, ...counts, seconds.toFixed(1)];
  });
  const head = ['row', 'Kafka', 'Redis', 'passed', 'failed', 'skipped', 'seconds'];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const align = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < 3 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ');
  const rows = outcomes.map((outcome, index) => {
    const line = align(cells[index] ?? []);
    return 'notAvailable' in outcome ? `${line}  not available: ${outcome.notAvailable}` : line;
  });
  return [align(head), ...rows];
}

/** The result as a table and as JSON. Pure. */
import { cpus, release, totalmem } from 'node:os';
import type { AcceptRates } from './accept.ts';
import type { DrainPoint } from './drain.ts';
import type { Footprint } from './footprint.ts';
import type { Latency } from './latency.ts';
import type { Account } from './rival/account.ts';
import type { Rival, RivalOutcome } from './rival/measure.ts';
import { isResolved, type Measure } from './statistics.ts';

interface Figures {
  readonly accept: AcceptRates;
  readonly drain: readonly DrainPoint[];
  readonly latency: Latency;
  readonly footprint: Footprint;
}

export type BenchReport = Figures & RivalOutcome;

const number = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: 0 });
const perSecond = ({ median, spread }: Measure) => `${number(median)} ± ${number(spread)} /s`;
const times = ({ median, spread }: Measure) => `${median.toFixed(2)} ± ${spread.toFixed(2)}`;
const ms = ({ median, spread }: Measure) => `${median.toFixed(1)} ± ${spread.toFixed(1)} ms`;
const mib = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;

const row = (what: string, figure: string, target = '') =>
  `${what.padEnd(44)}${figure.padStart(26)}  ${target}`.trimEnd();

/** One figure a line, with its target where there is one. */
export function reportLines({ accept, drain, latency, footprint, ...outcome }: BenchReport) {
  const lines = [
    ...machine(),
    '',
    row('accepted, one commit each', perSecond(accept.singleCommits)),
    row('accepted, 100 in a transaction', perSecond(accept.hundredInTransaction)),
    row('accepted, publish by 64 callers', perSecond(accept.publish64Callers)),
    row('  ÷ one commit each', times(accept.groupCommitRatio), 'target ≥ 8'),
  ];
  for (const point of drain) {
    const backlog = number(point.backlog);
    const told = isResolved(point.oursPerSecond, point.barePerSecond) ? '' : '  not resolved';
    lines.push(
      row(`drained, backlog of ${backlog}`, perSecond(point.oursPerSecond)),
      row('  bare kafkajs', perSecond(point.barePerSecond)),
      row('  ratio', times(point.ratio), `target ≥ 0.7${told}`),
    );
  }
  const [least, most] = [drain[0], drain.at(-1)];
  if (least !== undefined && most !== undefined && least !== most) {
    const differ = isResolved(least.ratio, most.ratio);
    const figure = differ ? times(most.ratio) : 'not resolved';
    lines.push(row('largest against smallest backlog (ratios)', figure, 'target: not resolved'));
  }
  lines.push(
    row('latency p50 at 500 events/s', ms(latency.ours.p50Ms)),
    row('  bare kafkajs', ms(latency.bare.p50Ms)),
    row('latency p99', ms(latency.ours.p99Ms)),
    row('  bare kafkajs', ms(latency.bare.p99Ms)),
    row('  ratio', times(latency.p99Ratio), 'target ≤ 3'),
    row(
      `memory for ${number(footprint.events)} pending`,
      `+ ${mib(footprint.memoryGrowthBytes)}`,
      'target ≤ 100 MB',
    ),
    row('  peak', mib(footprint.memoryPeakBytes)),
    row('file before', mib(footprint.fileBytes.before)),
    row('  at most', mib(footprint.fileBytes.peak)),
    row('  after', mib(footprint.fileBytes.after)),
    '',
  );
  if (outcome.rival === null) lines.push(`pg-transactional-outbox: none, ${outcome.rivalAbsence}`);
  else lines.push(...rivalLines(outcome.rival));
  return lines;
}

function rivalLines({ package: rival, postgres, rate, outage }: Rival): string[] {
  const { ours, replication, polling } = outage;
  const each = (what: string, figure: (account: Account) => string) =>
    row(`  ${what}`, [ours, replication, polling].map(figure).join(' | '));
  const count = (what: string, name: keyof Account) =>
    each(what, (account) => number(account[name] ?? 0));
  const seconds = (value: number | null) => (value === null ? 'never' : `${value.toFixed(1)} s`);
  return [
    `beside ${rival} on PostgreSQL ${postgres}`,
    row(`drained, backlog of ${number(rate.backlog)}`, perSecond(rate.oursPerSecond)),
    row('  its replication listener', perSecond(rate.rivalPerSecond)),
    row('  ours ÷ it', times(rate.ratio)),
    row(
      `outage of ${outage.seconds} s at ${outage.eventsPerSecond}/s`,
      'ours | replication | polling',
    ),
    count('accepted', 'accepted'),
    count('delivered', 'delivered'),
    count('not there a minute after the outage', 'lost'),
    count('  given up', 'abandoned'),
    count('  neither delivered nor given up', 'waiting'),
    count('process died', 'crashes'),
    count('duplicated', 'duplicated'),
    count('out of order', 'reordered'),
    each('broker back to first delivery', (one) => seconds(one.firstDeliverySeconds)),
    each('broker back to all delivered', (one) => seconds(one.drainedSeconds)),
  ];
}

function machine(): string[] {
  const [cpu] = cpus();
  const memory = mib(totalmem());
  return [
    `Node ${process.version}, Linux ${release()}, ${cpus().length} × ${cpu?.model}, ${memory}`,
  ];
}

/** Every repeat is in it; `drainRatio` per backlog and `rivalRatio` are the short form. */
export function toJson(report: BenchReport): string {
  const drainRatio = Object.fromEntries(
    report.drain.map(({ backlog, ratio }) => [backlog, ratio.median]),
  );
  const rivalRatio = report.rival?.rate.ratio.median ?? null;
  const short = { machine: machine()[0], drainRatio, rivalRatio };
  return `${JSON.stringify({ ...short, ...report }, null, 2)}\n`;
}

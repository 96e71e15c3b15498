/** The result as a table and as JSON. Pure. */
import { cpus, release, totalmem } from 'node:os';
import type { AcceptRates } from './accept.ts';
import type { DrainPoint } from './drain.ts';
import { type Footprint, youngFlag } from './footprint.ts';
import type { HeldCost } from './held.ts';
import type { Latency } from './latency.ts';
import type { OnceCost } from './once.ts';
import type { Account } from './rival/account.ts';
import type { Rival, RivalOutcome } from './rival/measure.ts';
import { isResolved, type Measure } from './statistics.ts';

interface Figures {
  readonly accept: AcceptRates;
  readonly drain: readonly DrainPoint[];
  /** With the bare client's own records: no headers of ours. */
  readonly drainAlike: DrainPoint;
  readonly held: HeldCost;
  readonly once: OnceCost;
  readonly latency: Latency;
  readonly footprint: Footprint;
}

export type BenchReport = Figures & RivalOutcome;

const number = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: 0 });
const perSecond = ({ median, spread }: Measure) => `${number(median)} ± ${number(spread)} /s`;
const times = ({ median, spread }: Measure) => `${median.toFixed(2)} ± ${spread.toFixed(2)}`;
const ms = ({ median, spread }: Measure) => `${median.toFixed(1)} ± ${spread.toFixed(1)} ms`;
const mb = (bytes: number) => `${(bytes / 1_000_000).toFixed(0)} MB`;

const toldOf = (ours: { p99Ms: Measure }, bare: { p99Ms: Measure }) =>
  isResolved(ours.p99Ms, bare.p99Ms) ? '' : '  not resolved';

const row = (what: string, figure: string, target = '') =>
  `${what.padEnd(44)}${figure.padStart(26)}  ${target}`.trimEnd();

/** One figure a line, with its target where there is one. */
export function reportLines(report: BenchReport) {
  const { accept, drain, drainAlike, held, once, latency, footprint, ...outcome } = report;
  const lines = [
    ...machine(),
    '',
    row('accepted, one commit each', perSecond(accept.singleCommits)),
    row('accepted, 100 in a transaction', perSecond(accept.hundredInTransaction)),
    row('accepted, publish by 64 callers', perSecond(accept.publish64Callers)),
    row('  ÷ one commit each', times(accept.groupCommitRatio), 'target ≥ 8'),
  ];
  for (const point of drain) lines.push(...drainLines(point, '', 'target ≥ 0.7'));
  const [least, most] = [drain[0], drain.at(-1)];
  if (least !== undefined && most !== undefined && least !== most) {
    const differ = isResolved(least.ratio, most.ratio);
    const figure = differ ? times(most.ratio) : 'not resolved';
    lines.push(row('largest against smallest backlog (ratios)', figure, 'target: not resolved'));
  }
  lines.push(...drainLines(drainAlike, ', no headers', ''), ...heldLines(held));
  lines.push(...onceLines(once));
  lines.push(
    row('latency p50 at 500 events/s', ms(latency.ours.p50Ms)),
    row('  bare kafkajs', ms(latency.bare.p50Ms)),
    row('latency p99', ms(latency.ours.p99Ms)),
    row('  bare kafkajs', ms(latency.bare.p99Ms)),
    row('  ratio', times(latency.p99Ratio), `target ≤ 3${toldOf(latency.ours, latency.bare)}`),
    ...footprintLines(footprint),
    '',
  );
  if (outcome.rival === null) lines.push(`pg-transactional-outbox: none, ${outcome.rivalAbsence}`);
  else lines.push(...rivalLines(outcome.rival));
  return lines;
}

function drainLines(point: DrainPoint, how: string, target: string): string[] {
  const told = isResolved(point.oursPerSecond, point.barePerSecond) ? '' : '  not resolved';
  return [
    row(`drained, backlog of ${number(point.backlog)}${how}`, perSecond(point.oursPerSecond)),
    row('  bare kafkajs', perSecond(point.barePerSecond)),
    row('  ratio', times(point.ratio), `${target}${told}`),
    row('  seconds measured of each, at least', point.secondsOfEach.toFixed(0)),
  ];
}

function heldLines({ held, backlog, withPerSecond, withoutPerSecond, ratio }: HeldCost): string[] {
  const told = isResolved(withPerSecond, withoutPerSecond) ? '' : '  not resolved';
  return [
    row(`drained, ${number(backlog)} beside ${number(held)} held`, perSecond(withPerSecond)),
    row('  without them', perSecond(withoutPerSecond)),
    row('  ratio', times(ratio), `target ≥ 0.95${told}`),
  ];
}

function onceLines({ backlog, oncePerSecond, plainPerSecond, ratio }: OnceCost): string[] {
  const told = isResolved(oncePerSecond, plainPerSecond) ? '' : '  not resolved';
  return [
    row(`drained, ${number(backlog)}, exactly once`, perSecond(oncePerSecond)),
    row('  at least once', perSecond(plainPerSecond)),
    row('  ratio', times(ratio), `target ≥ 0.7${told}`),
  ];
}

function footprintLines(footprint: Footprint): string[] {
  const { events, memoryPeakBytes, fileBytes } = footprint;
  return [
    row(
      `memory, draining ${number(events)} over 1,000`,
      `+ ${mb(footprint.memoryGrowthBytes)}`,
      'target ≤ 100 MB',
    ),
    row(`  with node ${youngFlag}`, `+ ${mb(footprint.memoryGrowthSmallYoungBytes)}`),
    row('  over a backlog of 20,000', `+ ${mb(footprint.memoryGrowthOfBacklogBytes)}`),
    row('  peak', mb(memoryPeakBytes)),
    row('file before', mb(fileBytes.before)),
    row('  at most', mb(fileBytes.peak)),
    row('  after', mb(fileBytes.after)),
  ];
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
  const memory = mb(totalmem());
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

import { describe, expect, it } from 'vitest';
import { parseBenchOptions } from '../../../scripts/bench/options.ts';
import { type BenchReport, reportLines, toJson } from '../../../scripts/bench/report.ts';
import type { Rival } from '../../../scripts/bench/rival/measure.ts';
import { measure } from '../../../scripts/bench/statistics.ts';

const point = (backlog: number, ours: number[], bare: number[]) => ({
  backlog,
  oursPerSecond: measure(ours),
  barePerSecond: measure(bare),
  ratio: measure(ours.map((value, index) => value / (bare[index] ?? 1))),
  secondsOfEach: 10,
});
const account = { accepted: 2_000, delivered: 2_000, lost: 0, abandoned: 0, waiting: 0 };
const calm = { ...account, crashes: 0, duplicated: 0, reordered: 0 };
const rival: Rival = {
  package: 'rival 1.0.0',
  postgres: '15.1',
  rate: {
    backlog: 10,
    oursPerSecond: measure([200]),
    rivalPerSecond: measure([50]),
    ratio: measure([4]),
  },
  outage: {
    seconds: 10,
    eventsPerSecond: 200,
    ours: { ...calm, firstDeliverySeconds: 0.25, drainedSeconds: 1 },
    replication: {
      ...calm,
      delivered: 1_990,
      lost: 10,
      abandoned: 7,
      waiting: 3,
      firstDeliverySeconds: 2,
      drainedSeconds: null,
    },
    polling: { ...calm, duplicated: 5, firstDeliverySeconds: 3, drainedSeconds: 20 },
  },
};
const way = { p50Ms: measure([1]), p99Ms: measure([2]) };
const report: BenchReport = {
  accept: {
    singleCommits: measure([100]),
    hundredInTransaction: measure([1_000]),
    publish64Callers: measure([900]),
    groupCommitRatio: measure([9]),
  },
  drain: [point(10, [80, 100, 90], [85, 95, 90]), point(1_000, [10, 11, 12], [100, 101, 102])],
  drainAlike: point(10, [90, 90, 90], [100, 100, 100]),
  held: {
    held: 1_000,
    backlog: 10,
    withPerSecond: measure([95, 100, 98]),
    withoutPerSecond: measure([97, 99, 100]),
    ratio: measure([0.99]),
  },
  once: {
    backlog: 10,
    oncePerSecond: measure([70, 72, 71]),
    plainPerSecond: measure([90, 91, 92]),
    ratio: measure([0.78]),
  },
  latency: { eventsPerSecond: 500, ours: way, bare: way, p99Ratio: measure([1]) },
  footprint: {
    events: 1_000,
    memoryGrowthBytes: 1_048_576,
    memoryGrowthSmallYoungBytes: 1,
    memoryGrowthOfBacklogBytes: 1,
    memoryPeakBytes: 2_097_152,
    fileBytes: { before: 1, peak: 2, after: 1 },
  },
  rival,
  rivalAbsence: null,
};

describe('the report', () => {
  it('says what cannot be told apart, and nothing of the kind where it can', () => {
    const lines = reportLines(report);
    const ratios = lines.filter((line) => line.startsWith('  ratio'));
    expect(ratios[0]).toMatch(/not resolved$/);
    expect(ratios[1]).toMatch(/0\.11 ± 0\.01 +target ≥ 0\.7$/);
    expect(lines.find((line) => line.startsWith('largest'))).toMatch(/0\.11 ± 0\.01/);
  });

  it('has a ratio per backlog and every repeat in its JSON', () => {
    const json = JSON.parse(toJson(report)) as BenchReport & { drainRatio: object };
    expect(json.drainRatio).toEqual({ 10: 1, 1000: expect.closeTo(0.109, 3) });
    expect(json.drain[0]?.oursPerSecond.samples).toEqual([80, 100, 90]);
  });

  it('puts the rival beside us, and says what it has lost and given up', () => {
    const lines = reportLines(report);
    expect(lines).toContain('beside rival 1.0.0 on PostgreSQL 15.1');
    expect(lines.some((line) => /^ {2}ours ÷ it +4\.00 ± 0\.00$/.test(line))).toBe(true);
    expect(lines.some((line) => /^ {2}delivered +2,000 \| 1,990 \| 2,000$/.test(line))).toBe(true);
    expect(lines.some((line) => /given up +0 \| 7 \| 0$/.test(line))).toBe(true);
    expect(lines.some((line) => /all delivered +1\.0 s \| never \| 20\.0 s$/.test(line))).toBe(
      true,
    );
    expect(JSON.parse(toJson(report))).toMatchObject({
      rivalRatio: 4,
      rival: { outage: { replication: { lost: 10, drainedSeconds: null } } },
    });
  });

  it('says why there is no rival', () => {
    const rivalAbsence = 'no PostgreSQL server is installed here';
    const alone: BenchReport = { ...report, rival: null, rivalAbsence };
    expect(reportLines(alone).at(-1)).toBe(`pg-transactional-outbox: none, ${rivalAbsence}`);
    expect(JSON.parse(toJson(alone))).toMatchObject({
      rivalRatio: null,
      rival: null,
      rivalAbsence,
    });
  });
});

describe('the options of the benchmark', () => {
  it('have defaults and can be given', () => {
    expect(parseBenchOptions([])).toMatchObject({ repeats: 5, seconds: 10, jsonFile: null });
    expect(parseBenchOptions(['--backlogs', '10,20', '--json', 'x'])).toMatchObject({
      backlogs: [10, 20],
      jsonFile: 'x',
    });
  });

  it.each([['--repeats', '0'], ['--backlogs', '10,many'], ['--fast'], ['extra']])(
    'refuse %s %s',
    (...args) => {
      expect(parseBenchOptions(args.filter((arg) => arg !== undefined))).toBeTypeOf('string');
    },
  );
});

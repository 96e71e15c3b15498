import { describe, expect, it } from 'vitest';
import {
  type DemoReport,
  duplicateBoundOf,
  exitCodeOf,
  judgeRun,
} from '../../../scripts/demo/judge.ts';

const passed: Omit<DemoReport, 'faults'> = {
  issued: 100,
  accepted: 100,
  delivered: 100,
  lost: 0,
  duplicated: 16,
  reordered: 0,
  mismatched: 0,
  unissued: 0,
  unknown: 0,
  acceptedDuringOutage: 20,
  firstDeliverySeconds: 0.2,
  drainSeconds: 1,
  drainPerSecond: 20,
  roundsUsedUp: 1,
  deliveredByJob: 100,
  peakPending: 30,
  duplicateBound: 16,
  relayCrashes: 0,
  outageSeconds: 20,
  pendingAtFlush: 10,
  pendingAtRelayKill: 1,
  runSeconds: 90,
};

describe('the verdict', () => {
  it('passes a run that kept every promise, repeats at their bound included', () => {
    expect(judgeRun(passed)).toEqual([]);
    expect(exitCodeOf(judgeRun(passed))).toBe(0);
  });

  const broken: [string, Partial<DemoReport>, number][] = [
    ['a lost event', { lost: 1, delivered: 99 }, 2],
    ['a reordered event', { reordered: 1 }, 1],
    ['an altered event', { mismatched: 1 }, 1],
    ['an event nobody published', { unissued: 1 }, 1],
    ['one repeat too many', { duplicated: 17 }, 1],
    ['more delivered than accepted', { delivered: 101 }, 1],
    ['an outage nobody published in', { acceptedDuringOutage: 0 }, 1],
    ['an outage that used no round up', { roundsUsedUp: 0 }, 1],
    ['an unknown number of rounds', { roundsUsedUp: null }, 1],
    ['an empty run', { issued: 0, accepted: 0, delivered: 0 }, 1],
    ['a publish that was refused', { issued: 101 }, 1],
    ['publishes of unknown outcome', { issued: 102, unknown: 2 }, 1],
    ['a run without a job', { deliveredByJob: 0 }, 1],
    ['a relay that died by itself', { relayCrashes: 1 }, 1],
    ['a flush that hit nothing', { pendingAtFlush: 0 }, 1],
  ];
  it.each(broken)('fails %s with exit code 1', (_, change, faults) => {
    const found = judgeRun({ ...passed, ...change });
    expect(found).toHaveLength(faults);
    expect(exitCodeOf(found)).toBe(1);
  });

  it('allows one batch per lane and kill to come twice', () => {
    expect(duplicateBoundOf({ kills: 2, lanes: 8, batchEvents: 1_000 })).toBe(16_000);
  });
});

import { describe, expect, it } from 'vitest';
import { DemoUsageError, parseDemoOptions, scheduleOf } from '../../../scripts/demo/options.ts';

describe('the demo’s options', () => {
  it('has a default for each', () => {
    expect(parseDemoOptions([])).toEqual({
      events: 231_083,
      outageSeconds: 20,
      keep: false,
      reportFile: null,
      json: false,
      help: false,
    });
  });

  it('takes all of them', () => {
    const args = ['--events', '4000', '--outage=6', '--keep', '--json', '--report', 'r.json'];
    expect(parseDemoOptions(args)).toMatchObject({
      events: 4_000,
      outageSeconds: 6,
      keep: true,
      json: true,
      reportFile: 'r.json',
    });
  });

  it.each([
    ['--events', '99'],
    ['--events', '2000001'],
    ['--events', '1e3'],
    ['--events', 'many'],
    ['--events', '-5'],
    ['--outage', '4'],
    ['--outage', '601'],
    ['--outage', '7.5'],
    ['--outage', ''],
  ])('refuses %s %s and says what it got', (name, value) => {
    expect(() => parseDemoOptions([`${name}=${value}`])).toThrow(DemoUsageError);
    expect(() => parseDemoOptions([`${name}=${value}`])).toThrow(`got "${value}"`);
  });

  it('reports every fault at once', () => {
    const bad = () => parseDemoOptions(['--events', '0', '--outage', '0', '--report', '']);
    expect(bad).toThrow(/--events.*--outage.*--report/);
  });

  it.each([[['--quick']], [['extra']], [['--events']]])('refuses %j', (args) => {
    expect(() => parseDemoOptions(args)).toThrow(DemoUsageError);
  });
});

describe('the schedule', () => {
  it.each([
    [231_083, 20],
    [4_000, 6],
    [100, 5],
    [2_000_000, 600],
    [100, 600],
  ])('has room for everything with %i events and an outage of %i s', (events, outageSeconds) => {
    const schedule = scheduleOf({ events, outageSeconds });
    const { publishSeconds, brokerKillSeconds, relayKillSeconds, eventsPerSecond } = schedule;
    expect(eventsPerSecond * publishSeconds).toBeCloseTo(events);
    expect(eventsPerSecond).toBeLessThanOrEqual(3_000);
    expect(brokerKillSeconds).toBeGreaterThanOrEqual(5);
    expect(relayKillSeconds - brokerKillSeconds - outageSeconds).toBeGreaterThanOrEqual(8);
    expect(publishSeconds - relayKillSeconds).toBeGreaterThanOrEqual(4);
  });
});

import { describe, expect, it } from 'vitest';
import { account, reportLines, type Sent } from '../../../scripts/rasa-compare/report.ts';

const event = (sender: string, number: number, phase = 'before'): Sent => {
  return { phase, sender, number };
};
const sent = [event('a', 1), event('b', 1), event('a', 2, 'after'), event('b', 2, 'after')];

describe('the account of a comparison', () => {
  it('counts what arrived of what was sent, by phase', () => {
    const { phases, ...all } = account(sent, sent);
    expect(all).toEqual({ sent: 4, delivered: 4, lost: 0, duplicated: 0, reordered: 0 });
    expect(phases).toEqual([
      { phase: 'before', sent: 2, delivered: 2 },
      { phase: 'after', sent: 2, delivered: 2 },
    ]);
  });

  it('sees a loss in its phase', () => {
    const { phases, lost } = account(sent, [event('a', 1), event('b', 1), event('b', 2)]);
    expect(lost).toBe(1);
    expect(phases.map(({ delivered }) => delivered)).toEqual([2, 1]);
  });

  it('tells a repeat from a first delivery that came late', () => {
    const repeat = [event('a', 1), event('a', 2), event('a', 1)];
    expect(account(sent, repeat)).toMatchObject({ duplicated: 1, reordered: 0, delivered: 2 });
    const late = [event('a', 2), event('b', 1), event('a', 1)];
    expect(account(sent, late)).toMatchObject({ duplicated: 0, reordered: 1, delivered: 3 });
  });

  it('does not take one sender’s number for another’s', () => {
    expect(account(sent, [event('b', 2), event('a', 1)])).toMatchObject({ reordered: 0, lost: 2 });
  });

  it('is shown side by side', () => {
    const lines = reportLines({ ours: account(sent, sent), original: account(sent, []) });
    expect(lines[1]).toMatch(/^before +2 of 2 +0 of 2$/);
    expect(lines).toContainEqual(expect.stringMatching(/^all +4 of 4 +0 of 4$/));
    expect(lines).toContainEqual(expect.stringMatching(/^lost +0 +4$/));
  });
});

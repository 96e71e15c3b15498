import { describe, expect, it } from 'vitest';
import {
  bar,
  clockText,
  createPaint,
  cutTo,
  panelLines,
  plainLine,
  type Snapshot,
  sparkline,
} from '../../../scripts/demo/view.ts';

const snapshot: Snapshot = {
  elapsedSeconds: 65,
  events: 1_000,
  accepted: 500,
  delivered: 250,
  pending: 250,
  acceptedPerSecond: 3_000.4,
  deliveredPerSecond: 0,
  circuit: 'open',
  relay: 'running',
  roundsUsedUp: 3,
  now: 'Kafka is dead',
};

describe('the view', () => {
  it('shows accepted, pending, delivered, rate, circuit and what is being broken', () => {
    const story = [{ atSeconds: 61, text: 'Kafka is killed' }];
    const lines = panelLines({ snapshot, pendingHistory: [0, 9, 250], story }, createPaint(false));
    const text = lines.join('\n');
    expect(text).toMatch(/accepted +500 +█{16}░{16}/);
    expect(text).toMatch(/delivered +250 +█{8}░{24}/);
    expect(text).toMatch(/pending +250 +▁▂█/);
    expect(text).toContain('peak 250');
    expect(text).toContain('3,000/s in, 0/s out');
    expect(text).toContain('OPEN, relay running, rounds used up 3');
    expect(text).toMatch(/now +Kafka is dead/);
    expect(text).toContain('  1:01  Kafka is killed');
  });

  it('says the same in one plain line', () => {
    expect(plainLine(snapshot)).toBe(
      '  1:05  accepted 500  delivered 250  pending 250  0/s  circuit open  Kafka is dead',
    );
  });

  it('draws a long history in the width there is, by its peaks', () => {
    const history = Array.from({ length: 100 }, (_, at) => (at === 55 ? 70 : 0));
    const line = sparkline(history, 10);
    expect(line).toBe('▁▁▁▁▁█▁▁▁▁');
    expect(sparkline([], 10)).toBe('');
    expect(sparkline([0, 0], 10)).toBe('▁▁');
  });

  it('never draws a bar beyond its width', () => {
    expect(bar(1.5, 4)).toBe('████');
    expect(bar(-1, 4)).toBe('░░░░');
  });

  it('cuts a line to the width of the terminal, colours not counted', () => {
    const { red } = createPaint(true);
    expect(cutTo(`ab${red('cdef')}`, 4)).toBe('ab\u001b[31mcd\u001b[0m');
    expect(cutTo('abc', 4)).toBe('abc');
  });

  it('writes minutes and seconds', () => {
    expect([0, 59.9, 60, 605].map(clockText)).toEqual(['0:00', '0:59', '1:00', '10:05']);
  });
});

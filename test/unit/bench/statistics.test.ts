import { describe, expect, it } from 'vitest';
import { isResolved, measure, percentile, ratioOf } from '../../../scripts/bench/statistics.ts';

describe('a measure', () => {
  it('is a median and half the range', () => {
    expect(measure([5, 1, 3])).toMatchObject({ median: 3, spread: 2 });
    expect(measure([4, 1, 2, 3])).toMatchObject({ median: 2.5, spread: 1.5 });
    expect(() => measure([])).toThrow('nothing was measured');
  });

  it('of a ratio pairs the repeats, so that a slow minute hits both', () => {
    const { median, spread } = ratioOf([10, 5, 20], [20, 10, 40]);
    expect([median, spread]).toEqual([0.5, 0]);
    expect(() => ratioOf([1], [])).toThrow('do not pair up');
  });

  it('differs from another one only by more than both spreads', () => {
    expect(isResolved(measure([9, 10, 11]), measure([10, 11, 12]))).toBe(false);
    expect(isResolved(measure([9, 10, 11]), measure([19, 20, 21]))).toBe(true);
    expect(isResolved(measure([10, 10, 10]), measure([5, 20, 35]))).toBe(false);
  });
});

it('a percentile is the nearest rank', () => {
  const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect([0.5, 0.99, 1].map((share) => percentile(samples, share))).toEqual([50, 99, 100]);
  expect(percentile([7], 0.01)).toBe(7);
});

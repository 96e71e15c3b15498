/** Medians and spreads of a few repeats, and whether two of them can be told apart. Pure. */

export interface Measure {
  readonly median: number;
  /** Half the distance between the least and the greatest of the repeats. */
  readonly spread: number;
  readonly samples: readonly number[];
}

export function measure(samples: readonly number[]): Measure {
  if (samples.length === 0) throw new Error('nothing was measured');
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] as number;
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { median, spread: (at(sorted.length - 1) - at(0)) / 2, samples };
}

/** Ratios of samples taken one after the other (A B A B …), so that a slow minute hits both. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Measure {
  if (ours.length !== theirs.length) throw new Error('the repeats do not pair up');
  return measure(ours.map((value, index) => value / (theirs[index] as number)));
}

/** A difference that is smaller than the spreads of both is none. */
export function isResolved(a: Measure, b: Measure): boolean {
  return Math.abs(a.median - b.median) > Math.max(a.spread, b.spread);
}

/** The value below which a share of the samples lies; the nearest rank. */
export function percentile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new Error('nothing was measured');
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
}

/** The last lines of `npm test`. Pure. */
import type { SuiteResult } from './suites.ts';

/**
 * @param left containers that tests did not remove
 * @param strict skipped tests are failures, as in CI
 */
export function summarise(
  results: readonly SuiteResult[],
  left: readonly string[],
  strict: boolean,
): { readonly lines: string[]; readonly ok: boolean } {
  const sum = (field: 'passed' | 'failed' | 'skipped' | 'seconds') =>
    results.reduce((total, result) => total + result[field], 0);
  const lines = results.map(({ name, seconds, passed, failed, skipped }) => {
    const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    return `${name.padEnd(12)} ${seconds.toFixed(1).padStart(7)} s  ${counts}`;
  });
  for (const { name, failures } of results) {
    lines.push(...failures.map((failure) => `failed, ${name}: ${failure}`));
  }
  lines.push(`${'all'.padEnd(12)} ${sum('seconds').toFixed(1).padStart(7)} s`);
  if (left.length > 0) lines.push(`left behind: ${left.join(', ')}`);
  const skipFails = strict && sum('skipped') > 0;
  if (skipFails) lines.push('skipped tests are failures in CI');
  const failed = sum('failed') + (left.length > 0 ? 1 : 0);
  lines.push(`Tests: ${sum('passed')} passed, ${failed} failed, ${sum('skipped')} skipped`);
  return { lines, ok: failed === 0 && !skipFails };
}

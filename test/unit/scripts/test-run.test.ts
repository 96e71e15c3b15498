/** The counting of `npm test`: nothing may make a failure look like a pass. */
import { describe, expect, it } from 'vitest';
import { type Report, resultOf } from '../../../scripts/test/suites.ts';
import { summarise } from '../../../scripts/test/summary.ts';

const report = (passed: number, failed = 0, skipped = 0) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: skipped,
  numTodoTests: skipped,
  numTotalTests: passed + failed + 2 * skipped,
  testResults: [] as Report['testResults'],
});

describe('the result of a suite', () => {
  it('is that of its report', () => {
    const mixed = { passed: 5, failed: 2, skipped: 2, failures: [] };
    expect(resultOf(report(5, 2, 1), 1)).toEqual(mixed);
    expect(resultOf(report(5), 0)).toEqual({ ...mixed, failed: 0, skipped: 0 });
  });

  it('names what has failed', () => {
    const passed = { fullName: 'a store opens', status: 'passed', failureMessages: [] };
    const failed = { fullName: 'a store closes', status: 'failed', failureMessages: ['no\n at'] };
    const broken = { name: `${process.cwd()}/test/b.test.ts`, status: 'failed', message: 'a\nb' };
    const testResults = [
      { ...broken, name: 'test/a.test.ts', assertionResults: [passed, failed] },
      { ...broken, assertionResults: [] },
    ];
    expect(resultOf({ ...report(1, 1), testResults }, 1).failures).toEqual([
      'test/a.test.ts: a store closes: no',
      'test/b.test.ts: a',
    ]);
  });

  it.each([
    ['it ended with an error', report(5), 1],
    ['it found no tests', report(0), 0],
    ['it left no report', null, 0],
  ])('has a failure when %s', (_, given, code) => {
    expect(resultOf(given, code).failed).toBe(1);
  });
});

describe('the summary', () => {
  const suite = (failed: number, skipped = 0) => [
    { name: 'unit', seconds: 1.25, passed: 3, failed, skipped, failures: [] },
    { name: 'integration', seconds: 61, passed: 4, failed: 0, skipped: 0, failures: [] },
  ];
  const last = (lines: readonly string[]) => lines.at(-1);

  it('ends with the sums', () => {
    const { lines, ok } = summarise(suite(0), [], true);
    expect(last(lines)).toBe('Tests: 7 passed, 0 failed, 0 skipped');
    expect(lines[0]).toMatch(/^unit +1\.3 s {2}3 passed/);
    expect(ok).toBe(true);
  });

  it('names what has failed', () => {
    const failed = suite(1).map((each) => ({ ...each, failures: ['a.test.ts: it opens: no'] }));
    expect(summarise(failed, [], false).lines).toContain('failed, unit: a.test.ts: it opens: no');
  });

  it('is not ok with a failure, or with something left behind', () => {
    expect(summarise(suite(1), [], false).ok).toBe(false);
    const left = summarise(suite(0), ['container 4711'], false);
    expect(left.ok).toBe(false);
    expect(left.lines).toContain('left behind: container 4711');
    expect(last(left.lines)).toBe('Tests: 7 passed, 1 failed, 0 skipped');
  });

  it('counts a skipped test against the run in CI only', () => {
    const { lines, ok } = summarise(suite(0, 1), [], true);
    expect(ok).toBe(false);
    expect(lines).toContain('skipped tests are failures in CI');
    expect(summarise(suite(0, 1), [], false).ok).toBe(true);
  });
});

/** `npm run test:versions`: a row that did not run never looks like one that passed. */
import { describe, expect, it } from 'vitest';
import { parseVersionsOptions } from '../../../scripts/test/versions/options.ts';
import { type Outcome, reportOf } from '../../../scripts/test/versions/report.ts';
import { type Row, rows } from '../../../scripts/test/versions/rows.ts';

const [first, second] = rows as readonly [Row, Row];
const versions = { kafka: '3.9.1', redis: 'Redis 7.0.15' };
const ran = (passed: number, failed = 0, skipped = 0): Outcome => {
  const failures = failed > 0 ? ['a.test.ts: it opens: no'] : [];
  return { row: first, versions, seconds: 61.26, passed, failed, skipped, failures };
};
const absent: Outcome = { row: second, notAvailable: 'it cannot be pulled' };

describe('the report', () => {
  it('is a table of versions and counts, then the sums', () => {
    const other = { ...ran(7), row: second, versions: { kafka: '4.0.2', redis: 'Valkey 8.1.1' } };
    const { lines, report } = reportOf([ran(120, 1, 2), other], [], false);
    expect(lines).toEqual([
      'row                 Kafka  Redis         passed  failed  skipped  seconds',
      'kafka-3.9-redis-7   3.9.1  Redis 7.0.15     120       1        2     61.3',
      'kafka-4.0-valkey-8  4.0.2  Valkey 8.1.1       7       0        0     61.3',
      'failed, kafka-3.9-redis-7: a.test.ts: it opens: no',
      'Tests: 127 passed, 1 failed, 2 skipped',
    ]);
    expect(report).toMatchObject({ passed: 127, failed: 1, skipped: 2, ok: false });
    const failures = ['a.test.ts: it opens: no'];
    const result = { passed: 120, failed: 1, skipped: 2, failures, seconds: 61.3 };
    expect(report.rows[0]).toEqual({ name: 'kafka-3.9-redis-7', ...versions, ...result });
  });

  it('says why a row is not available; in CI that is a failure', () => {
    const { lines, report } = reportOf([ran(5), absent], [], false);
    expect(lines[2]).toMatch(/^kafka-4\.0-valkey-8 +not available: it cannot be pulled$/);
    expect(lines.slice(3)).toEqual([
      '1 of 2 rows not available',
      'Tests: 5 passed, 0 failed, 0 skipped',
    ]);
    expect(report.ok).toBe(true);
    expect(report.rows[1]).toEqual({ name: second.name, notAvailable: 'it cannot be pulled' });
    const inCi = reportOf([ran(5), absent], [], true);
    expect(inCi.report.ok).toBe(false);
    expect(inCi.lines).toContain(
      'skipped tests and rows that are not available are failures in CI',
    );
  });

  it.each([
    ['a test failed', reportOf([ran(5, 1)], [], false)],
    ['no row could run', reportOf([absent], [], false)],
    ['a container was left behind', reportOf([ran(5)], ['container 4711'], false)],
    ['a test was skipped in CI', reportOf([ran(5, 0, 1)], [], true)],
  ])('is not ok when %s', (_, { report }) => {
    expect(reportOf([ran(5)], [], true).report.ok).toBe(true);
    expect(report.ok).toBe(false);
  });
});

describe('the options', () => {
  it('are all rows and all files unless told otherwise', () => {
    const all = { help: false, jsonFile: null, rows, files: [] };
    expect(parseVersionsOptions([])).toEqual(all);
    const args = ['--row', second.name, '--json', 'out.json', 'redis-faults'];
    const chosen = { rows: [second], jsonFile: 'out.json', files: ['redis-faults'] };
    expect(parseVersionsOptions(args)).toEqual({ ...all, ...chosen });
  });

  it.each([[['--row', 'kafka-2.8']], [['--rows']], [['--json']]])('refuse %j', (args) => {
    expect(parseVersionsOptions(args)).toEqual(expect.any(String));
  });
});

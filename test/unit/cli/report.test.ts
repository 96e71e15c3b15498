import { describe, expect, it } from 'vitest';
import { exitCodeOf, exitCodes } from '../../../src/cli/exit-codes.ts';
import { describeError, errorJson } from '../../../src/cli/report.ts';
import {
  ConfigInvalidError,
  EventInvalidError,
  FileNotFoundError,
  StopDeadlineError,
  UsageError,
} from '../../../src/core/errors.ts';

describe('an error', () => {
  const cause = new Error('no such host');
  const error = new FileNotFoundError('there is no shop.db', {
    cause,
    details: { path: 'shop.db' },
  });

  it('is told as code, message, hint and cause', () => {
    expect(describeError(error)).toBe(
      `FILE_NOT_FOUND: there is no shop.db\n  hint: ${error.hint}\n  cause: no such host`,
    );
  });

  it('is one line of JSON with --json', () => {
    expect(JSON.parse(errorJson(error))).toEqual({
      error: {
        code: 'FILE_NOT_FOUND',
        message: 'there is no shop.db',
        hint: error.hint,
        details: { path: 'shop.db' },
      },
    });
    expect(errorJson(error)).not.toContain('\n');
  });

  it('that nobody expected is told with its stack', () => {
    const defect = new TypeError('x is undefined');
    expect(describeError(defect)).toMatch(/^UNEXPECTED: TypeError: x is undefined\n +at /);
    expect(describeError('text')).toBe('UNEXPECTED: text');
    expect(JSON.parse(errorJson(defect)).error).toMatchObject({ code: 'UNEXPECTED', hint: null });
  });
});

describe('the exit code', () => {
  it.each([
    [new UsageError(''), exitCodes.usage.code],
    [new ConfigInvalidError(''), exitCodes.usage.code],
    [new EventInvalidError(''), exitCodes.input.code],
    [new FileNotFoundError(''), exitCodes.file.code],
    [new StopDeadlineError(''), exitCodes.deadline.code],
    [new TypeError('a defect'), exitCodes.failure.code],
    ['thrown text', exitCodes.failure.code],
  ])('of %s', (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  it('has one meaning only', () => {
    const codes = Object.values(exitCodes).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });
});

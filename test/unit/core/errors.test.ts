import { describe, expect, it } from 'vitest';
import {
  errorFacts,
  invariant,
  OutboxBusyError,
  OutboxRelayError,
} from '../../../src/core/errors.ts';

describe('an error of ours', () => {
  it('carries code, hint, details and cause', () => {
    const cause = new Error('locked');
    const error = new OutboxBusyError('storing events', { cause, details: { lane: 1 } });
    expect(error).toBeInstanceOf(OutboxRelayError);
    expect(error).toMatchObject({ name: 'OutboxBusyError', code: 'OUTBOX_BUSY', retryable: true });
    expect(error).toMatchObject({ message: 'storing events', cause, details: { lane: 1 } });
    expect('cause' in new OutboxBusyError('no cause')).toBe(false);
  });

  it('has a code in capitals and a hint that is a sentence', () => {
    for (const { code, hint } of errorFacts) {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(hint).toMatch(/^[A-ZΑ-Ω`].+\.$/);
    }
  });
});

describe('invariant', () => {
  it('throws when it does not hold, with what is known', () => {
    expect(() => invariant(true, 'fine')).not.toThrow();
    const broken = expect.objectContaining({ code: 'INVARIANT_BROKEN', details: { lane: 2 } });
    expect(() => invariant(false, 'not fine', { lane: 2 })).toThrow(broken);
  });
});

/** The errors of `outbox-relay/testing`; a part of the list in errors.ts. */
import { defineError } from './error.ts';

export const CheckInputError = defineError('CheckInputError', {
  code: 'CHECK_INPUT',
  retryable: false,
  hint: 'Give each accepted event once, and for `lateAfterMs` records of a LogAppendTime topic.',
});
export const TestTimeoutError = defineError('TestTimeoutError', {
  code: 'TEST_TIMEOUT',
  retryable: false,
  hint: 'See the message for what was there instead; raise the timeout only if that was right.',
});
export const TestcontainersMissingError = defineError('TestcontainersMissingError', {
  code: 'TESTCONTAINERS_MISSING',
  retryable: false,
  hint: 'Run `npm install --save-dev testcontainers`; it needs a Docker engine.',
});
export const RelayProcessEndedError = defineError('RelayProcessEndedError', {
  code: 'RELAY_PROCESS_ENDED',
  retryable: false,
  hint: 'Read what the relay said before it ended: its last lines are in the message.',
});
export const StepNotReachedError = defineError('StepNotReachedError', {
  code: 'STEP_NOT_REACHED',
  retryable: false,
  hint: 'Give the relay enough events and a Kafka that answers, or a smaller `nth`.',
});

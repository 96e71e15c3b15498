/** Exit codes of the command line; docs/cli.md has the same table, checked by a test. */
import { OutboxRelayError } from '../core/errors.ts';

export const exitCodes = Object.freeze({
  ok: { code: 0, meaning: 'done' },
  failure: { code: 1, meaning: 'something failed; the message says what' },
  usage: { code: 2, meaning: 'a wrong command, flag or option' },
  input: { code: 3, meaning: 'a line of the input, or an event, is not valid' },
  file: {
    code: 4,
    meaning: 'the outbox file cannot be used: missing, damaged, network share, schema, disk',
  },
  deadline: { code: 5, meaning: 'a stop had to cut a running drain off; its events stay' },
  warning: { code: 6, meaning: 'doctor, check: it works, but a finding needs attention' },
  unhealthy: {
    code: 7,
    meaning: 'doctor, check: events are not accepted or not delivered as it is, or can be lost',
  },
  newer: { code: 8, meaning: 'a newer version of outbox-relay has migrated the file' },
  refused: {
    code: 9,
    meaning: 'an act that the event does not allow as it is; nothing was changed',
  },
  unverified: { code: 10, meaning: 'verify: delivered events are missing or out of order' },
  lossy: { code: 11, meaning: 'repair: done, and some of what was in the file is lost' },
  interrupt: { code: 130, meaning: 'SIGINT ended it before its time; a clean stop of run is 0' },
  terminate: { code: 143, meaning: 'the same by SIGTERM' },
});

const byErrorCode: Readonly<Record<string, number>> = {
  USAGE: 2,
  CONFIG_INVALID: 2,
  SECURITY_PROTOCOL_INVALID: 2,
  KAFKA_PRODUCER_INITIALIZATION: 2,
  FILTER_INVALID: 2,
  INPUT_INVALID: 3,
  EVENT_NOT_FOUND: 9,
  EVENT_NOT_HELD: 9,
  EVENT_IN_FLIGHT: 9,
  KEY_BLOCKED: 9,
  EVENT_INVALID: 3,
  EVENT_TOO_LARGE: 3,
  FILE_NOT_FOUND: 4,
  FILE_IN_MEMORY: 4,
  FILE_ATTACHED: 4,
  FILE_ON_NETWORK: 4,
  FILE_UNUSABLE: 4,
  FILE_DAMAGED: 4,
  FILE_IN_USE: 4,
  SQLITE_TOO_OLD: 4,
  SQLITE_SECOND_COPY: 4,
  WAL_UNAVAILABLE: 4,
  SYNCHRONOUS_NOT_FULL: 4,
  SCHEMA_MISSING: 4,
  SCHEMA_NEWER: 8,
  MIGRATION_FAILED: 4,
  LANES_DIFFER: 4,
  LANES_IN_USE: 4,
  OUTBOX_FULL: 4,
  OUTBOX_IO: 4,
  STOP_DEADLINE: 5,
};

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof OutboxRelayError)) return exitCodes.failure.code;
  return byErrorCode[error.code] ?? exitCodes.failure.code;
}

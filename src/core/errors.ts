/**
 * The closed list of errors this project raises.
 *
 * Each error class fixes its own `code`, `retryable` and `hint`; a caller supplies only the
 * message, the cause and details. docs/errors.md has one heading per code, checked by test/tidy.
 */
import { defineError, type ErrorFacts, type ErrorOptions, registry } from './error.ts';

export { type ErrorClass, type ErrorFacts, type ErrorOptions, OutboxRelayError } from './error.ts';

// Opening an outbox

export const FileNotFoundError = defineError('FileNotFoundError', {
  code: 'FILE_NOT_FOUND',
  retryable: false,
  hint: 'Check the path; openOutbox() or `outbox-relay migrate --db FILE` creates the file.',
});
export const FileInMemoryError = defineError('FileInMemoryError', {
  code: 'FILE_IN_MEMORY',
  retryable: false,
  hint: 'Use a file on a local disk: an in-memory or temporary database is gone with its process.',
});
export const FileAttachedError = defineError('FileAttachedError', {
  code: 'FILE_ATTACHED',
  retryable: false,
  hint: 'Open the outbox file as the main database: a commit over several WAL files is not atomic.',
});
export const FileOnNetworkError = defineError('FileOnNetworkError', {
  code: 'FILE_ON_NETWORK',
  retryable: false,
  hint: 'Move the file to a local disk: WAL needs shared memory, which network shares do not give.',
});
export const FileUnusableError = defineError('FileUnusableError', {
  code: 'FILE_UNUSABLE',
  retryable: false,
  hint: 'Check permissions; if it was an outbox, run `outbox-relay repair`, and never delete it.',
});
export const FileDamagedError = defineError('FileDamagedError', {
  code: 'FILE_DAMAGED',
  retryable: false,
  hint: 'Run `outbox-relay check --db FILE`, then `outbox-relay repair`; never delete the file.',
});
export const FileInUseError = defineError('FileInUseError', {
  code: 'FILE_IN_USE',
  retryable: true,
  hint: 'Stop the relays, applications and shells that have the file open, then repair again.',
});
export const SqliteTooOldError = defineError('SqliteTooOldError', {
  code: 'SQLITE_TOO_OLD',
  retryable: false,
  hint: 'Update better-sqlite3 to 13 or later: SQLite before 3.51.3 can corrupt a WAL file.',
});
export const SqliteSecondCopyError = defineError('SqliteSecondCopyError', {
  code: 'SQLITE_SECOND_COPY',
  retryable: false,
  hint: 'Deduplicate better-sqlite3 in node_modules: two copies cancel each other’s file locks.',
});
export const WalUnavailableError = defineError('WalUnavailableError', {
  code: 'WAL_UNAVAILABLE',
  retryable: false,
  hint: 'Run `PRAGMA journal_mode=WAL` on the file, outside a transaction and on a local disk.',
});
export const SynchronousNotFullError = defineError('SynchronousNotFullError', {
  code: 'SYNCHRONOUS_NOT_FULL',
  retryable: false,
  hint: 'Set `PRAGMA synchronous=FULL` on your connection: less loses commits on power loss.',
});
export const SchemaMissingError = defineError('SchemaMissingError', {
  code: 'SCHEMA_MISSING',
  retryable: false,
  hint: 'Run `outbox-relay migrate --db FILE`, or open it with `migrate: auto`.',
});
export const SchemaNewerError = defineError('SchemaNewerError', {
  code: 'SCHEMA_NEWER',
  retryable: false,
  hint: 'Update outbox-relay here: another process has already migrated the file.',
});
export const MigrationFailedError = defineError('MigrationFailedError', {
  code: 'MIGRATION_FAILED',
  retryable: false,
  hint: 'The file is as it was before this migration; see the cause.',
});
export const LanesDifferError = defineError('LanesDifferError', {
  code: 'LANES_DIFFER',
  retryable: false,
  hint: 'Leave `lanes` out, or run `outbox-relay migrate --lanes N` on a drained outbox.',
});
export const LanesInUseError = defineError('LanesInUseError', {
  code: 'LANES_IN_USE',
  retryable: true,
  hint: 'Let the outbox drain until `status` shows nothing pending or held, and stop its relays.',
});

// Writing events

export const EventInvalidError = defineError('EventInvalidError', {
  code: 'EVENT_INVALID',
  retryable: false,
  hint: 'Correct the event; nothing was written.',
});
export const EventTooLargeError = defineError('EventTooLargeError', {
  code: 'EVENT_TOO_LARGE',
  retryable: false,
  hint: 'Shrink the event, or raise `recordBytesMax` together with the topic’s max.message.bytes.',
});
export const TransactionAsyncError = defineError('TransactionAsyncError', {
  code: 'TRANSACTION_ASYNC',
  retryable: false,
  hint: 'Await first, then call transaction() with a synchronous function; it was rolled back.',
});
export const OutcomeUnknownError = defineError('OutcomeUnknownError', {
  code: 'OUTCOME_UNKNOWN',
  retryable: false,
  hint: 'The commit may or may not be durable; publish again with a dedupe key after a check.',
});
export const OutboxBusyError = defineError('OutboxBusyError', {
  code: 'OUTBOX_BUSY',
  retryable: true,
  hint: 'Another connection holds the write lock for long; look for a long open transaction.',
});
export const OutboxFullError = defineError('OutboxFullError', {
  code: 'OUTBOX_FULL',
  retryable: true,
  hint: 'Let it drain, or make room; the event was not accepted and nothing accepted is lost.',
});
export const OutboxIoError = defineError('OutboxIoError', {
  code: 'OUTBOX_IO',
  retryable: false,
  hint: 'SQLite could not read or write the file; check the disk and the system log.',
});
export const OutboxClosedError = defineError('OutboxClosedError', {
  code: 'OUTBOX_CLOSED',
  retryable: false,
  hint: 'The outbox was closed; open it again.',
});

// Operating

export const EventNotFoundError = defineError('EventNotFoundError', {
  code: 'EVENT_NOT_FOUND',
  retryable: false,
  hint: 'Look for it with `outbox-relay events list`; a delivered event is deleted after a while.',
});
export const EventNotHeldError = defineError('EventNotHeldError', {
  code: 'EVENT_NOT_HELD',
  retryable: false,
  hint: 'Only held events can be redriven, skipped or purged; a pending one is sent in its turn.',
});
export const EventInFlightError = defineError('EventInFlightError', {
  code: 'EVENT_IN_FLIGHT',
  retryable: true,
  hint: 'Try again in a moment, when Kafka has answered.',
});
export const KeyBlockedError = defineError('KeyBlockedError', {
  code: 'KEY_BLOCKED',
  retryable: false,
  hint: 'Redrive or skip the event that it waits behind, or end the stop of its topic.',
});
export const FilterInvalidError = defineError('FilterInvalidError', {
  code: 'FILTER_INVALID',
  retryable: false,
  hint: 'Correct the filter; docs/operations.md has its parts.',
});

// Consuming

export const MessageUnknownError = defineError('MessageUnknownError', {
  code: 'MESSAGE_UNKNOWN',
  retryable: false,
  hint: 'Give the inbox records of a relay with `headers: true`, or handle others by themselves.',
});
export const ReadFailedError = defineError('ReadFailedError', {
  code: 'READ_FAILED',
  retryable: true,
  hint: 'See the cause; reading back needs READ on the topic and on groups outbox-relay-verify-*.',
});

// Configuration and command line

export const ConfigInvalidError = defineError('ConfigInvalidError', {
  code: 'CONFIG_INVALID',
  retryable: false,
  hint: 'Correct the listed options; docs/configuration.md has meaning, unit, bound and default.',
});
export const UsageError = defineError('UsageError', {
  code: 'USAGE',
  retryable: false,
  hint: 'See `outbox-relay help` or `outbox-relay help COMMAND`.',
});
export const InputInvalidError = defineError('InputInvalidError', {
  code: 'INPUT_INVALID',
  retryable: false,
  hint: 'Correct the reported lines, or pass --skip-invalid to store the others.',
});

// Rasa's event broker

export const SecurityProtocolError = defineError('SecurityProtocolError', {
  code: 'SECURITY_PROTOCOL_INVALID',
  retryable: false,
  hint: 'Set `security_protocol` to PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.',
});
export const KafkaProducerInitializationError = defineError('KafkaProducerInitializationError', {
  code: 'KAFKA_PRODUCER_INITIALIZATION',
  retryable: false,
  hint: 'Correct the named setting of the event broker; docs/rasa.md has them all.',
});

// Relaying

export const RelayStateError = defineError('RelayStateError', {
  code: 'RELAY_STATE',
  retryable: false,
  hint: 'A relay starts once; create a new one after stop().',
});
export const DrainFailedError = defineError('DrainFailedError', {
  code: 'DRAIN_FAILED',
  retryable: true,
  hint: 'The lane’s events wait in the outbox; `outbox-relay status` shows why.',
});
export const RedisUnreachableError = defineError('RedisUnreachableError', {
  code: 'REDIS_UNREACHABLE',
  retryable: true,
  hint: 'Check the Redis URL and server; the relay drains without Redis meanwhile.',
});
export const StopDeadlineError = defineError('StopDeadlineError', {
  code: 'STOP_DEADLINE',
  retryable: false,
  hint: 'Work was still running at the deadline; its events stay in the outbox.',
});
export const KerberosMissingError = defineError('KerberosMissingError', {
  code: 'KERBEROS_MISSING',
  retryable: false,
  hint: 'Run `npm install kerberos` (on Debian after libkrb5-dev), or use another mechanism.',
});
export const InvariantBrokenError = defineError('InvariantBrokenError', {
  code: 'INVARIANT_BROKEN',
  retryable: false,
  hint: 'This is a defect in outbox-relay or a damaged file; report it with the message.',
});

// Testing

export {
  CheckInputError,
  RelayProcessEndedError,
  StepNotReachedError,
  TestcontainersMissingError,
  TestTimeoutError,
} from './testing-errors.ts';

/** Facts of every error there is, for docs and tests. */
export const errorFacts: readonly ErrorFacts[] = registry;

/** Assertion that stays on in production. Throws {@link InvariantBrokenError}. */
export function invariant(
  condition: boolean,
  message: string,
  details?: ErrorOptions['details'],
): asserts condition {
  if (!condition) throw new InvariantBrokenError(message, details === undefined ? {} : { details });
}

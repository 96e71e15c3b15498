/** outbox-relay: what is listed here is public; everything else may change. */

// Writing events

export { type OpenOptions, type OutboxSource, openOutbox } from './app.ts';
export type {
  AnyTopics,
  AppendResult,
  EventOf,
  Header,
  HeaderValue,
  OutboxEvent,
} from './core/event.ts';
export type { Outbox } from './enqueue/outbox.ts';
export type { Database } from './outbox/sqlite/database.ts';
export type { Bounds } from './outbox/store.ts';

// Making and upgrading the file

export type { MigrateMode } from './app.ts';
export type { OutboxIdentity } from './outbox/store.ts';
export { type MigrateResult, migrateOutbox } from './outbox-file.ts';

// Relaying them

export { createRelay, type LoggerOption, type Relay, type RelayHooks } from './app.ts';
export type { RelayOptions } from './config/relay-options.ts';
export type { RelayConfig } from './config/resolve.ts';
export type { RetryPolicy } from './core/retry.ts';
export type { RelayEvents } from './relay/events.ts';
export type { LogLine, RelayLogger } from './telemetry/log.ts';
export type { RelayMetrics } from './telemetry/metrics.ts';

// Operating them

export type { ActOptions, ActReport, Operator, PageOptions } from './admin/operator.ts';
export type { RepairReport } from './admin/repair.ts';
export type { RepairStep } from './outbox/damage/repair.ts';
export type { LogFacts, RepairFacts, TableCount } from './outbox/integrity.ts';
export type {
  ActResult,
  ActVerb,
  AuditRow,
  DeadGroup,
  EventFacts,
  EventFilter,
  EventState,
  PauseTarget,
  WholeEvent,
} from './outbox/operator.ts';
export { openOperator, type RepairFileOptions, repairFile } from './outbox-file.ts';

// Looking

export type { CheckReport, FaultCode, FileFault } from './admin/check.ts';
export type { Diagnosis } from './admin/doctor/doctor.ts';
export type { CheckId, Finding, Severity } from './admin/doctor/finding.ts';
export type { LaneStatus, OutboxStatus, StopStatus } from './admin/status.ts';
export type { TopicVerdict, Verification, VerifyExample } from './admin/verify.ts';
export { type DiagnoseHooks, diagnose } from './diagnose.ts';
export type { StopFacts } from './outbox/held.ts';
export type { Progress } from './outbox/integrity.ts';
export type { CircuitState, LaneFailure } from './outbox/store.ts';
export {
  type CheckOptions,
  checkFile,
  openStatus,
  type StatusReader,
} from './outbox-file.ts';

export { type VerifyOptions, verifyDelivery } from './verify.ts';

// Errors: one class, told apart by `code` (docs/errors.md)

export {
  type ErrorFacts,
  type ErrorOptions,
  errorFacts,
  OutboxRelayError,
} from './core/errors.ts';

// Replacing parts, in tests above all

export type { Clock } from './core/clock.ts';
export type { DrainStep, StepHook } from './relay/lane-parts.ts';
export type {
  Driver,
  LeadersOutcome,
  OpenOutcome,
  PartitionAck,
  Sender,
  SendFailure,
  SendFailureKind,
  SendOutcome,
  SinkRecord,
  SlotMark,
  TopicLeaders,
  TransactionalSender,
  TransactionNames,
} from './sink/driver.ts';
export type {
  BrokerSecurity,
  Compression,
  Login,
  Secret,
  Tls,
  TokenSource,
} from './sink/security.ts';

/** outbox-relay: what is listed here is public; everything else may change. */

export type { Diagnosis } from './admin/doctor/doctor.ts';
export type { CheckId, Finding, Severity } from './admin/doctor/finding.ts';
export type { LaneStatus, OutboxStatus } from './admin/status.ts';
// Writing events
// Relaying them
// Looking
export {
  createRelay,
  type MigrateMode,
  type MigrateResult,
  migrateOutbox,
  type OpenOptions,
  type OutboxSource,
  openOutbox,
  openStatus,
  type Relay,
  type RelayHooks,
} from './app.ts';
export type { RelayOptions } from './config/options.ts';
// Replacing parts
export type { Clock } from './core/clock.ts';
// Errors: one class, told apart by `code` (docs/errors.md)
export { type ErrorFacts, errorFacts, OutboxRelayError } from './core/errors.ts';
export type { AnyTopics, AppendResult, EventOf, HeaderValue, OutboxEvent } from './core/event.ts';
export type { RetryPolicy } from './core/retry.ts';
export { type DiagnoseHooks, diagnose } from './diagnose.ts';
export type { Outbox } from './enqueue/outbox.ts';
export type { CircuitState, LaneFailure, OutboxIdentity } from './outbox/store.ts';
export type { RelayEvents } from './relay/events.ts';
export type { DrainStep, StepHook } from './relay/lane.ts';
export type {
  Driver,
  LeadersOutcome,
  PartitionAck,
  Sender,
  SendFailure,
  SendFailureKind,
  SendOutcome,
  SinkRecord,
  TopicLeaders,
} from './sink/driver.ts';
export type { RelayLogger } from './telemetry/log.ts';
export type { RelayMetrics } from './telemetry/metrics.ts';

/**
 * `outbox-relay/testing`: for suites of your own. A whole outbox without Docker; a real Kafka and
 * Redis that can be taken away; relays that are killed where it hurts; and the checker that says
 * what became of every event. Our own suites use it.
 */

// Without Docker

export {
  createTestOutbox,
  type DeliveredEvent,
  TestOutbox,
  type TestOutboxOptions,
  type WaitOptions,
} from './test-outbox.ts';

// A Kafka and a Redis that can be taken away

export type { ServiceContainer } from './container.ts';
export { type KafkaListener, type StartKafkaOptions, startKafka, type TestKafka } from './kafka.ts';
export type { ConsumeOptions, Enough, TestRecord, TopicOptions } from './kafka-client.ts';
export { type StartRedisOptions, startRedis, type TestRedis } from './redis.ts';

// Faults

export { type KafkaDownOptions, withKafkaDown, withRedisFlushed } from './faults.ts';
export {
  type KilledRelay,
  type KillOptions,
  killRelayAt,
  type RelayEnd,
  type RelayProcess,
  type RelayProcessOptions,
  type RelayWait,
  startRelayProcess,
} from './relay-handle.ts';
export type { RelayTold } from './relay-orders.ts';

// The account

export {
  type AcceptedEvent,
  acceptedEvent,
  type CheckOptions,
  type ConsumedRecord,
  checkDelivery,
  type Findings,
  type GivenEvent,
  hashOf,
  type Issued,
  type UnknownEvent,
  unknownEvent,
} from './checker.ts';

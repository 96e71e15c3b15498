/** `outbox-relay/rasa`: Rasa's Kafka event broker, without its losses. docs/rasa.md. */

// Errors, told apart by `code` as all of ours
export { KafkaProducerInitializationError, SecurityProtocolError } from '../core/errors.ts';
// The broker
export { KafkaEventBroker } from './broker.ts';
export type { EventBrokerConfig } from './endpoints.ts';
export type { RasaEvent } from './event.ts';
export type { KafkaEventBrokerOptions } from './options.ts';
// Python's JSON
export {
  type Path,
  PythonFloat,
  type PythonJsonOptions,
  parsePythonJson,
  toPythonJson,
} from './python-json.ts';

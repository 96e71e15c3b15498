/** Who counts what was delivered. */
import type { Delivery } from '../../src/relay/lane-parts.ts';
import type { Witness } from '../support/java-consumer.ts';
import type { KafkaBroker } from '../support/kafka.ts';

export function witnessOf(kafka: KafkaBroker, delivery: Delivery): Witness {
  return delivery === 'exactly-once' ? kafka.committed : kafka;
}

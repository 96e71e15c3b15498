/** Events as they are behind the door, for tests of a store. */
import { v7 as uuidv7 } from 'uuid';
import type { EncodedEvent } from '../../src/core/event.ts';

export function encodedEvent(given: Partial<EncodedEvent> = {}): EncodedEvent {
  return {
    id: uuidv7(),
    topic: 'orders',
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    headers: [],
    partition: null,
    createdAtMs: 1_000,
    retries: null,
    delayMs: null,
    dedupe: null,
    ...given,
  };
}

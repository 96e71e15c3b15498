/** What is sent: events of 512 bytes over 1,000 keys and 6 partitions. */
export const partitions = 6;
const keys = 1_000;
const valueBytes = 512;

export interface RawEvent {
  readonly key: string;
  readonly value: Buffer;
}

const filler = Buffer.alloc(valueBytes, 'outbox-relay ');

/** The first 8 bytes of the value are the event's number. */
export function rawEvent(number: number): RawEvent {
  const value = Buffer.from(filler);
  value.writeDoubleBE(number);
  return { key: `key-${number % keys}`, value };
}

export function* rawEvents(count: number): Generator<RawEvent> {
  for (let number = 0; number < count; number += 1) yield rawEvent(number);
}

/**
 * What an event will weigh as a Kafka record, at most. The broker compares whole record batches
 * with `max.message.bytes`; an event that is too large for a batch of its own is refused here,
 * while the application can still be told.
 */
import type { Header } from '../core/event.ts';

/** Length, attributes, time and offset deltas, lengths of key and value, header count: varints. */
const recordBytesExtra = 32;
/** Two varints of a header, at their longest for what the limits allow. */
const headerBytesExtra = 8;
/**
 * `outbox-event-id` with a UUID, `outbox-seq` with 16 digits, `outbox-source` with a UUID. A
 * longer `source` is not counted: the writer does not know the relay's options.
 */
const ownHeaders = [15 + 36, 10 + 16, 13 + 36];

/** Upper bound in bytes, with the relay's own three headers. */
export function recordBytes(
  key: Buffer | null,
  value: Buffer | null,
  headers: readonly Header[],
): number {
  let bytes = recordBytesExtra + (key?.length ?? 0) + (value?.length ?? 0);
  for (const own of ownHeaders) bytes += own + headerBytesExtra;
  for (const [name, part] of headers) {
    bytes += Buffer.byteLength(name) + (part?.length ?? 0) + headerBytesExtra;
  }
  return bytes;
}

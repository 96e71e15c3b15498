import { crc32 } from 'node:zlib';

/** What decides an event's lane: topic, and its order key or, without one, its id. */
export interface LaneInput {
  readonly id: string;
  readonly topic: string;
  readonly key: Uint8Array | null;
  readonly partition: number | null;
}

const separator = Uint8Array.of(0);
/** Of topic and separator: events of one topic come in a row, and a call into zlib costs. */
let last = { topic: '', crc: crc32(separator, crc32('')) };

/**
 * The order key: the event's key; without one its explicit partition as decimal text; `null` when
 * the event has neither and therefore no order.
 */
export function orderKeyOf(event: Omit<LaneInput, 'id'>): Uint8Array | null {
  if (event.key !== null) return event.key;
  return event.partition === null ? null : Buffer.from(String(event.partition));
}

/**
 * Lane of an event: `crc32(topic, 0x00, order key) mod lanes`, or `crc32(id) mod lanes` when the
 * event has no order. crc32 is zlib's, so that any language can compute it
 * (docs/table-contract.md).
 */
export function laneOf(event: LaneInput, lanes: number): number {
  const orderKey = orderKeyOf(event);
  if (orderKey === null) return crc32(event.id) % lanes;
  if (last.topic !== event.topic) {
    last = { topic: event.topic, crc: crc32(separator, crc32(event.topic)) };
  }
  return crc32(orderKey, last.crc) % lanes;
}

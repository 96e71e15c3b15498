/**
 * Reads along in a proxy in front of a broker: stops at a chosen request of Kafka's protocol,
 * before the broker has it, or when the broker has answered it and the client does not know; or
 * answers an EndTxn in its place.
 *
 * What a lane commits when it opens has no event in it, and does not count: a connection is that of
 * one lane's producer, and its first transaction is the opening's. A Produce always has events.
 * Format: a request is its length (int32), its API key (int16) and the rest.
 * https://kafka.apache.org/protocol
 */
import type { Join } from './proxy.ts';

/** Of a transaction, in the order in which a relay makes them. */
export const requests = {
  AddOffsetsToTxn: 25,
  TxnOffsetCommit: 28,
  AddPartitionsToTxn: 24,
  Produce: 0,
  EndTxn: 26,
} as const;
export type RequestName = keyof typeof requests;

export interface Stop {
  readonly request: RequestName;
  /** `forged`: the broker does not have it, and the client is told that it has. */
  readonly when: 'unsent' | 'unanswered' | 'forged';
  /** So many of them pass first. */
  readonly skip: number;
}

type Ordered = Stop & { readonly meet: () => void };

export class KafkaTap {
  #stop: Ordered | null = null;
  #left = 0;

  /** Resolves when the request is met: from then on nothing passes on its connection. */
  meet(stop: Stop): Promise<void> {
    this.#left = stop.skip;
    return new Promise((resolve) => {
      this.#stop = { ...stop, meet: resolve };
    });
  }

  /** For a proxy, whose address the broker must advertise. */
  readonly join: Join = (client, server) => {
    let rest = Buffer.alloc(0);
    let held: Ordered | null = null;
    let hasOpened = false;
    client.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (let frame = firstOf(rest); frame !== null && held === null; ) {
        if (hasOpened || apiOf(frame) === requests.Produce) held = this.#isMet(frame);
        if (apiOf(frame) === requests.EndTxn) hasOpened = true;
        rest = rest.subarray(frame.length);
        if (held?.when === 'forged') client.write(successOf(frame));
        if (held === null || held.when === 'unanswered') server.write(frame);
        else held.meet();
        frame = firstOf(rest);
      }
    });
    server.on('data', (bytes) => {
      if (held === null) client.write(bytes);
      else if (held.when === 'unanswered') held.meet();
    });
  };

  #isMet(frame: Buffer): Ordered | null {
    const stop = this.#stop;
    if (stop === null || apiOf(frame) !== requests[stop.request]) return null;
    this.#left -= 1;
    if (this.#left >= 0) return null;
    this.#stop = null;
    return stop;
  }
}

const apiOf = (frame: Buffer) => frame.readInt16BE(4);

/** Of EndTxn before its version 3: correlation id (int32), throttle time (int32), error (int16). */
function successOf(request: Buffer): Buffer {
  const answer = Buffer.alloc(14);
  answer.writeInt32BE(10, 0);
  request.copy(answer, 4, 8, 12);
  return answer;
}

/** A whole request, with its length. */
function firstOf(bytes: Buffer): Buffer | null {
  if (bytes.length < 6) return null;
  const length = 4 + bytes.readInt32BE(0);
  return bytes.length < length ? null : bytes.subarray(0, length);
}

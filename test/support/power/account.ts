/** What a writer said, over all its lives: the witness against the outbox. */
import {
  type AcceptedEvent,
  type ConsumedRecord,
  checkDelivery,
  type Findings,
  hashOf,
  type UnknownEvent,
} from '../../../src/testing/checker.ts';
import { bodyOf, keyOf, type WriterLine } from './events.ts';

export class Account {
  readonly accepted: AcceptedEvent[] = [];
  /** Codes of refusals, by number. */
  readonly refused = new Map<number, string>();
  /** The key of each accepted event, by the seq that the writer was told. */
  readonly keys = new Map<number, string>();
  /** The highest seq that a writer was told. */
  lastSeq = 0;
  /** The highest number that may have been written. */
  lastIssued = 0;
  readonly #settled = new Set<number>();
  readonly #topic: string;

  constructor(topic: string) {
    this.#topic = topic;
  }

  /** Lines of one writer. */
  take(lines: readonly string[]): void {
    for (const text of lines) this.#take(JSON.parse(text) as WriterLine);
  }

  #take(line: WriterLine): void {
    if ('issued' in line) {
      this.lastIssued = line.issued[1];
    } else if ('refused' in line) {
      this.refused.set(line.refused, line.code);
      // Of any other code nothing may be stored: if it is, it counts as invented.
      if (line.code !== 'OUTCOME_UNKNOWN') this.#settled.add(line.refused);
    } else {
      const { accepted: number, id, seq } = line;
      this.#settled.add(number);
      this.lastSeq = Math.max(this.lastSeq, seq);
      const [key, hash] = [keyOf(number), hashOf(bodyOf(number))];
      this.keys.set(seq, key);
      this.accepted.push({ topic: this.#topic, number, id, key, hash, atMs: Date.now() });
    }
  }

  /** Issued, and never answered, or with OUTCOME_UNKNOWN: they may be there or not. */
  unknown(): UnknownEvent[] {
    const numbers = Array.from({ length: this.lastIssued }, (_, index) => index + 1);
    return numbers
      .filter((number) => !this.#settled.has(number))
      .map((number) => {
        return { topic: this.#topic, key: keyOf(number), hash: hashOf(bodyOf(number)) };
      });
  }

  /** @param records of Kafka, or as the file has them */
  check(records: readonly ConsumedRecord[]): Findings {
    return checkDelivery({ accepted: this.accepted, unknown: this.unknown() }, records);
  }
}

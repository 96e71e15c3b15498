/**
 * What a sender has last asked Kafka to commit, until Kafka has taken another transaction: a broker
 * that is killed may lose its end. Started again, Kafka 4.3.1 can note a transaction as complete
 * without having written an end in its partitions; the next commit there would make its records
 * visible beside those sent again, and the next abort would take away what was acknowledged.
 */
import type { SlotMark } from '../driver.ts';
import type { Work } from './transactional-producer.ts';

export interface LostCommit extends Work {
  /** Kafka had said that it is committed. */
  readonly isAcked: boolean;
  /** An aborted transaction has put an end into its partitions. */
  readonly isEnded: boolean;
}

export class LastCommit {
  #work: Work | null = null;
  #isAcked = false;
  #isEnded = false;
  /** On the monotonic clock; from the first try to end it. */
  #triesEndMs: number | null = null;

  asked(work: Work): void {
    this.#work = work;
    this.#isAcked = false;
    this.#isEnded = false;
    this.#triesEndMs = null;
  }

  acked(): void {
    this.#isAcked = true;
  }

  ended(): void {
    this.#isEnded = true;
  }

  /** Its commit is asked for once more. */
  repeated(): void {
    this.#isEnded = false;
  }

  forget(): void {
    this.#work = null;
  }

  /** Kafka may have it or not. */
  get inDoubt(): boolean {
    return this.#work !== null && !this.#isAcked;
  }

  /** Kafka has said that it has records of it. */
  get isPromised(): boolean {
    return this.#work !== null && this.#isAcked && this.#work.records.length > 0;
  }

  mayTry(nowMs: number, forMs: number): boolean {
    this.#triesEndMs ??= nowMs + forMs;
    return nowMs < this.#triesEndMs;
  }

  /** What Kafka does not have by these watermarks; it may have the records, without an end. */
  lostBy(watermarks: ReadonlyMap<number, SlotMark>): LostCommit | null {
    const [work, isAcked, isEnded] = [this.#work, this.#isAcked, this.#isEnded];
    if (work === null || work.records.length === 0) return null;
    const stands = work.marks.every(({ slot, number }) => {
      const now = watermarks.get(slot)?.number;
      // After an acknowledged one others may have gone on; without a watermark nobody can tell.
      return isAcked ? now === undefined || now >= number : now === number;
    });
    return stands ? null : { ...work, isAcked, isEnded };
  }
}

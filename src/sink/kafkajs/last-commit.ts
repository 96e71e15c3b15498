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
}

export class LastCommit {
  #work: Work | null = null;
  #isAcked = false;

  asked(work: Work): void {
    this.#work = work;
    this.#isAcked = false;
  }

  acked(): void {
    this.#isAcked = true;
  }

  forget(): void {
    this.#work = null;
  }

  /** Kafka may have it or not. */
  get inDoubt(): boolean {
    return this.#work !== null && !this.#isAcked;
  }

  /** What Kafka does not have by these watermarks; it may have the records, without an end. */
  lostBy(watermarks: ReadonlyMap<number, SlotMark>): LostCommit | null {
    const [work, isAcked] = [this.#work, this.#isAcked];
    if (work === null || work.records.length === 0) return null;
    const stands = work.marks.every(({ slot, number }) => {
      const now = watermarks.get(slot)?.number;
      // After an acknowledged one others may have gone on; without a watermark nobody can tell.
      return isAcked ? now === undefined || now >= number : now === number;
    });
    return stands ? null : { ...work, isAcked };
  }
}

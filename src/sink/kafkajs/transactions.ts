/**
 * One ordered stream of transactions: records and a watermark, both or neither.
 *
 * Opening runs InitProducerId, which fences every older producer of the id and completes or aborts
 * what it left open; only then are the watermarks read. OffsetFetch as kafkajs speaks it does not
 * wait for a commit that is being written, so two reads must agree.
 *
 * After any failure the producer is thrown away: kafkajs never gives it a new epoch after an abort,
 * would use sequence numbers again, and after a failed commit refuses everything (tulios/kafkajs
 * #1275). Its own retry is off; with it a part of the batch could be written by a later try.
 *
 * A commit whose answer nobody heard, and that the watermarks do not have, is ended once more: a
 * broker that was killed may have noted it as complete without an end in the partitions (seen with
 * Kafka 4.3.1), and the next commit would make its records visible beside those sent again. An
 * aborted transaction of the same producer in the same partitions is its end, too.
 *
 * The watermark goes first: AddOffsetsToTxn is where Kafka says CONCURRENT_TRANSACTIONS for a
 * moment after each commit, and that can be asked again, as nothing is written yet.
 */
import { pause, within } from '../../core/clock.ts';
import { invariant } from '../../core/errors.ts';
import { classify } from '../classify.ts';
import type {
  OpenOutcome,
  SendFailure,
  SendOutcome,
  SinkRecord,
  SlotMark,
  TransactionalSender,
  TransactionNames,
} from '../driver.ts';
import { type Admin, Client, compressionOf, type KafkaJsOptions, type Producer } from './client.ts';
import { coverage, groupByTopic, leaderless, nullHeader } from './sender.ts';
import { areEqual, ensureWatermarks, readWatermarks, watermarkTopic } from './watermarks.ts';

const agreeMs = 200;
/** Kafka completes a commit within some milliseconds. */
const firstAgainMs = 2;
const againMsMax = 50;
/** Ends the transaction of a relay that is gone, and with it the wait of those who read. */
const transactionMsMin = 10_000;
const closeMs = 1_000;

type Transaction = Awaited<ReturnType<Producer['transaction']>>;
interface Work {
  readonly records: readonly SinkRecord[];
  readonly marks: readonly SlotMark[];
}
type Phase = 'marking' | 'sending' | 'committing';

export class KafkaJsTransactionalSender implements TransactionalSender {
  readonly #options: KafkaJsOptions;
  readonly #label: string;
  readonly #names: TransactionNames;
  readonly #onClosed: () => void;
  #client: Client | null = null;
  #producer: Producer | null = null;
  /** What was to be committed last, until Kafka has answered. */
  #doubtful: Work | null = null;

  constructor(
    options: KafkaJsOptions,
    given: { readonly label: string; readonly names: TransactionNames },
    onClosed: () => void = () => {},
  ) {
    this.#options = options;
    this.#label = given.label;
    this.#names = given.names;
    this.#onClosed = onClosed;
  }

  get isOpen(): boolean {
    return this.#producer !== null;
  }

  get inDoubt(): boolean {
    return this.#doubtful !== null;
  }

  async open(deadlineMs: number): Promise<OpenOutcome> {
    this.#discard();
    try {
      const done = await within(this.#options.clock, deadlineMs, this.#open(deadlineMs));
      if (done !== null) return { kind: 'opened', watermarks: done.value };
      this.#discard();
      return late(deadlineMs, 'outage');
    } catch (error) {
      this.#discard();
      return noRefusal(classify(error));
    }
  }

  async #open(deadlineMs: number): Promise<ReadonlyMap<number, SlotMark>> {
    const client = new Client(this.#options, this.#label);
    this.#client = client;
    const admin = client.kafka.admin({ retry: client.retry });
    try {
      await admin.connect();
      await ensureWatermarks(admin, this.#names.slots);
      const producer = await this.#connect(client, deadlineMs);
      const watermarks = await this.#agreed(admin);
      const isEnded = await this.#endDoubtful(producer, watermarks, deadlineMs);
      const newest = isEnded ? producer : await this.#connect(client, deadlineMs);
      invariant(this.#client === client, 'one opening at a time');
      this.#producer = newest;
      this.#doubtful = null;
      return watermarks;
    } finally {
      admin.disconnect().catch(() => {}); // with the sockets cut it has nothing to wait for
    }
  }

  async #agreed(admin: Admin): Promise<ReadonlyMap<number, SlotMark>> {
    let watermarks = await readWatermarks(admin, this.#names);
    for (;;) {
      await pause(this.#options.clock, agreeMs);
      const again = await readWatermarks(admin, this.#names);
      if (areEqual(watermarks, again)) return watermarks;
      watermarks = again;
    }
  }

  /** Whether the producer can go on: one that has aborted cannot. */
  async #endDoubtful(
    producer: Producer,
    watermarks: ReadonlyMap<number, SlotMark>,
    deadlineMs: number,
  ): Promise<boolean> {
    const work = this.#doubtful;
    if (work === null || work.records.length === 0) return true;
    if (work.marks.every(({ slot, number }) => watermarks.get(slot)?.number === number))
      return true;
    try {
      const transaction = await producer.transaction();
      await this.#mark(producer, transaction, work.marks);
      await transaction.sendBatch(this.#batchOf(work.records, deadlineMs));
      await transaction.abort();
    } catch (error) {
      const { kind, message } = classify(error);
      if (kind === 'outage' || kind === 'unknown' || kind === 'fenced') throw error;
      // Its topic is gone, or takes no more: the lane must not wait for that.
      this.#options.onWarning?.('TRANSACTION_NOT_ENDED', message, error);
    }
    producer.disconnect().catch(() => {}); // clears its timers
    return false;
  }

  #batchOf(records: readonly SinkRecord[], deadlineMs: number) {
    const compression = compressionOf(this.#options.compression ?? 'none');
    return { acks: -1, timeout: deadlineMs, compression, topicMessages: groupByTopic(records) };
  }

  async #connect(client: Client, deadlineMs: number): Promise<Producer> {
    const producer = client.kafka.producer({
      transactionalId: this.#names.transactionalId,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      transactionTimeout: Math.max(deadlineMs, transactionMsMin),
      retry: { ...client.retry, retries: 0 },
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition as number,
    });
    await producer.connect();
    await (await producer.transaction()).abort();
    return producer;
  }

  async send(
    records: readonly SinkRecord[],
    marks: readonly SlotMark[],
    deadlineMs: number,
  ): Promise<SendOutcome> {
    invariant(marks.length > 0, 'a transaction has a mark');
    const producer = this.#producer;
    invariant(producer !== null, 'a sender of transactions is open');
    const bare = nullHeader(records);
    if (bare !== null) return this.#failed(bare);
    const progress: { phase: Phase } = { phase: 'marking' };
    const work = this.#try(producer, { records, marks, deadlineMs, progress });
    try {
      const done = await within(this.#options.clock, deadlineMs, work);
      if (done === null) return this.#failed(late(deadlineMs, 'unknown'), progress.phase);
      return done.value.kind === 'acked' ? done.value : this.#failed(done.value);
    } catch (error) {
      return this.#failed(leaderless(classify(error)), progress.phase);
    }
  }

  async #try(
    producer: Producer,
    work: Work & { readonly deadlineMs: number; readonly progress: { phase: Phase } },
  ): Promise<SendOutcome> {
    const { records, marks, deadlineMs, progress } = work;
    const transaction = await producer.transaction();
    await this.#mark(producer, transaction, marks);
    let outcome: SendOutcome = { kind: 'acked', acks: [] };
    if (records.length > 0) {
      progress.phase = 'sending';
      const acks = await transaction.sendBatch(this.#batchOf(records, deadlineMs));
      outcome = coverage(records, acks);
      if (outcome.kind !== 'acked') return outcome;
    }
    // The deadline may have passed while this went on: nobody waits for it any more.
    invariant(this.#producer === producer, 'the sender was not given up meanwhile');
    progress.phase = 'committing';
    this.#doubtful = { records, marks };
    await transaction.commit();
    if (this.#producer === producer) this.#doubtful = null;
    return outcome;
  }

  /** Kafka says CONCURRENT_TRANSACTIONS while it completes the last commit. */
  async #mark(
    producer: Producer,
    transaction: Transaction,
    marks: readonly SlotMark[],
  ): Promise<void> {
    const partitions = marks.map(({ slot, number, note }) => {
      return { partition: slot, offset: String(number), metadata: note };
    });
    const topics = [{ topic: watermarkTopic, partitions }];
    for (let againMs = firstAgainMs; ; againMs = Math.min(againMs * 2, againMsMax)) {
      try {
        return await transaction.sendOffsets({ consumerGroupId: this.#names.group, topics });
      } catch (error) {
        const isUsual = classify(error).code === 'CONCURRENT_TRANSACTIONS';
        if (!isUsual || this.#producer !== producer) throw error;
        await pause(this.#options.clock, againMs);
      }
    }
  }

  /** Until its commit is asked for, a transaction that failed is none: the next opening ends it. */
  #failed(failure: SendFailure, phase: Phase = 'sending'): SendFailure {
    this.#discard();
    const told = phase === 'sending' ? failure : noRefusal(failure);
    if (told.kind === 'fenced') return told;
    if (this.inDoubt) return { ...told, kind: 'unknown' };
    // Nothing but the records themselves may be what a bug is about.
    const isElsewhere = told.kind === 'bug' && phase !== 'sending';
    return told.kind === 'unknown' || isElsewhere ? { ...told, kind: 'outage' } : told;
  }

  #discard(): void {
    this.#client?.cut();
    this.#client = null;
    this.#producer?.disconnect().catch(() => {}); // clears its timers
    this.#producer = null;
  }

  async close(): Promise<void> {
    const disconnected = this.#producer?.disconnect() ?? Promise.resolve();
    try {
      await within(this.#options.clock, closeMs, disconnected);
    } catch (error) {
      this.#options.onWarning?.('DISCONNECT_FAILED', String(error), error);
    }
    this.#discard();
    this.#onClosed();
  }
}

function late(deadlineMs: number, kind: 'outage' | 'unknown'): SendFailure {
  const message = `no answer within ${deadlineMs} ms`;
  return { kind, code: 'DEADLINE', message, topic: null, cause: null };
}

/** Trouble with transactions or watermarks says nothing about the records. */
function noRefusal(failure: SendFailure): SendFailure {
  const { kind, message } = failure;
  if (kind === 'outage' || kind === 'unknown' || kind === 'fenced' || kind === 'bug')
    return failure;
  return { ...failure, kind: 'outage', message: `transactions: ${message}`, topic: null };
}

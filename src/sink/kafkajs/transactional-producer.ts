/**
 * One producer of transactions, from its InitProducerId to its first failure or abort: kafkajs
 * never gives it a new epoch after an abort, would use sequence numbers again, and after a failed
 * commit refuses everything (tulios/kafkajs#1275). Its own retry is off; with it a part of the
 * batch could be written by a later try.
 *
 * The marks go first: AddOffsetsToTxn is where Kafka says CONCURRENT_TRANSACTIONS for a moment
 * after each commit, and that can be asked again, as nothing is written yet.
 */
import { pause } from '../../core/clock.ts';
import { classify } from '../classify.ts';
import type {
  SendFailure,
  SendOutcome,
  SinkRecord,
  SlotMark,
  TransactionNames,
} from '../driver.ts';
import { Client, compressionOf, type KafkaJsOptions, type Producer } from './client.ts';
import { coverage, groupByTopic } from './sender.ts';
import { watermarkTopic } from './watermarks.ts';

/** Kafka completes a commit within some milliseconds. */
const firstAgainMs = 2;
const againMsMax = 50;
/** Ends the transaction of a relay that is gone, and with it the wait of those who read. */
const transactionMsMin = 10_000;

type Transaction = Awaited<ReturnType<Producer['transaction']>>;

export interface Work {
  readonly records: readonly SinkRecord[];
  readonly marks: readonly SlotMark[];
}

export interface Written {
  readonly outcome: SendOutcome;
  readonly transaction: Transaction;
}

export class TransactionalProducer {
  readonly #options: KafkaJsOptions;
  readonly #names: TransactionNames;
  readonly #client: Client;
  readonly #producer: Producer;
  #connectionsLost = 0;
  #isGivenUp = false;

  /** Connects nothing yet. */
  constructor(
    options: KafkaJsOptions,
    given: {
      readonly label: string;
      readonly names: TransactionNames;
      readonly deadlineMs: number;
    },
  ) {
    this.#options = options;
    this.#names = given.names;
    this.#client = new Client(options, given.label);
    this.#producer = this.#client.kafka.producer({
      transactionalId: given.names.transactionalId,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      transactionTimeout: Math.max(given.deadlineMs, transactionMsMin),
      retry: { ...this.#client.retry, retries: 0 },
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition as number,
    });
  }

  /** Fences every older producer of the id, and ends what it left open. */
  async connect(): Promise<void> {
    await this.#producer.connect();
    await (await this.#producer.transaction()).abort();
  }

  /** From now on {@link isCut}; the client may have replaced its first connection. */
  watchConnections(): void {
    this.#connectionsLost = this.#client.connectionsLost;
  }

  /** A connection of it has ended: the broker may have been killed and be back. */
  get isCut(): boolean {
    return this.#client.connectionsLost > this.#connectionsLost;
  }

  /**
   * Marks and records, perhaps none, in a transaction that is not ended yet.
   * @param onMarked called when Kafka has taken the marks: it has completed the last commit then
   */
  async write(
    { records, marks }: Work,
    deadlineMs: number,
    onMarked: () => void = () => {},
  ): Promise<Written> {
    const transaction = await this.#producer.transaction();
    await this.#mark(transaction, marks);
    onMarked();
    if (records.length === 0) return { outcome: { kind: 'acked', acks: [] }, transaction };
    const acks = await transaction.sendBatch({
      acks: -1,
      timeout: deadlineMs,
      compression: compressionOf(this.#options.compression ?? 'none'),
      topicMessages: groupByTopic(records),
    });
    return { outcome: coverage(records, acks), transaction };
  }

  /** The same, and it is aborted; `null` when that is done. It cannot go on then. */
  async writeAborted(work: Work, deadlineMs: number): Promise<SendFailure | null> {
    const { outcome, transaction } = await this.write(work, deadlineMs);
    if (outcome.kind !== 'acked') return outcome;
    await transaction.abort();
    return null;
  }

  /** Kafka says CONCURRENT_TRANSACTIONS while it completes the last commit. */
  async #mark(transaction: Transaction, marks: readonly SlotMark[]): Promise<void> {
    const partitions = marks.map(({ slot, number, note }) => {
      return { partition: slot, offset: String(number), metadata: note };
    });
    const topics = [{ topic: watermarkTopic, partitions }];
    for (let againMs = firstAgainMs; ; againMs = Math.min(againMs * 2, againMsMax)) {
      try {
        return await transaction.sendOffsets({ consumerGroupId: this.#names.group, topics });
      } catch (error) {
        const isUsual = classify(error).code === 'CONCURRENT_TRANSACTIONS';
        if (!isUsual || this.#isGivenUp) throw error;
        await pause(this.#options.clock, againMs);
      }
    }
  }

  /** Waits for what is under way. */
  disconnect(): Promise<void> {
    return this.#producer.disconnect();
  }

  giveUp(): void {
    this.#isGivenUp = true;
    this.#client.cut();
    this.#producer.disconnect().catch(() => {}); // clears its timers
  }
}

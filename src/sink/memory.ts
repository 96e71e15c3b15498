/**
 * The driver seam in memory: topics that are arrays, and failures that a test plants. It passes
 * the contract suite that the kafkajs driver passes against a real broker.
 */
import { invariant } from '../core/errors.ts';
import type {
  Driver,
  LeadersOutcome,
  Sender,
  SendFailure,
  SendFailureKind,
  SendOutcome,
  SinkRecord,
  TopicLeaders,
  TransactionalSender,
  TransactionNames,
} from './driver.ts';
import {
  type CommitFault,
  MemoryCoordinator,
  MemoryTransactionalSender,
} from './memory-transactions.ts';

export interface MemoryDriverOptions {
  /** Partitions of a topic that does not exist yet; `null` refuses it. Default: 3. */
  readonly createPartitions?: number | null;
  /** As the broker's message.max.bytes: key and value of one record. Default: 1,000,000. */
  readonly recordBytesMax?: number;
}

export class MemoryDriver implements Driver {
  readonly name = 'memory';
  readonly #createPartitions: number | null;
  readonly #recordBytesMax: number;
  readonly #topics = new Map<string, SinkRecord[][]>();
  /** While set, nobody reaches the broker. */
  #outage: SendFailure | null = null;
  /** Called before a batch is written; what it returns is the outcome instead. */
  #beforeWrite: (records: readonly SinkRecord[]) => Promise<SendFailure | null> = async () => null;

  readonly #coordinator = new MemoryCoordinator({
    outage: () => this.#outage,
    refuse: (records) => this.#refuse(records),
    write: (records) => this.#write(records),
  });

  constructor(options: MemoryDriverOptions = {}) {
    this.#createPartitions = options.createPartitions === undefined ? 3 : options.createPartitions;
    this.#recordBytesMax = options.recordBytesMax ?? 1_000_000;
  }

  /** Everything written to a topic, partition by partition. */
  recordsOf(topic: string): readonly SinkRecord[] {
    return (this.#topics.get(topic) ?? []).flat();
  }

  /** Names of the topics there are, sorted. */
  topics(): string[] {
    return [...this.#topics.keys()].sort();
  }

  goAway(): void {
    this.#outage = failure('outage', 'ECONNREFUSED', null);
  }

  comeBack(): void {
    this.#outage = null;
  }

  /** Lets a test wait inside a send, or answer it with a failure. */
  interceptSends(hook: (records: readonly SinkRecord[]) => Promise<SendFailure | null>): void {
    this.#beforeWrite = hook;
  }

  /** Lets commits of transactions go wrong, as the hook says each time. */
  interceptCommits(hook: () => CommitFault | null): void {
    this.#coordinator.interceptCommits(hook);
  }

  /** As when the topic of the watermarks was deleted. */
  forgetWatermarks(): void {
    this.#coordinator.forgetWatermarks();
  }

  createTopic(topic: string, partitions: number): void {
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, () => []),
    );
  }

  /** Adds partitions to a topic that is there. */
  growTopic(topic: string, partitions: number): void {
    const logs = this.#topics.get(topic) ?? [];
    while (logs.length < partitions) logs.push([]);
    this.#topics.set(topic, logs);
  }

  createSender(): Sender {
    return { send: (records) => this.#send(records), close: async () => {} };
  }

  createTransactionalSender(_label: string, names: TransactionNames): TransactionalSender {
    return new MemoryTransactionalSender(this.#coordinator, names);
  }

  async #send(records: readonly SinkRecord[]): Promise<SendOutcome> {
    invariant(records.length > 0, 'a batch is not empty');
    return this.#outage ?? (await this.#refuse(records)) ?? this.#write(records);
  }

  async #refuse(records: readonly SinkRecord[]): Promise<SendFailure | null> {
    const planted = await this.#beforeWrite(records);
    if (planted !== null) return planted;
    return records.map((record) => this.#refusal(record)).find((found) => found !== null) ?? null;
  }

  #write(records: readonly SinkRecord[]): SendOutcome {
    const acks = new Map<string, { topic: string; partition: number; baseOffset: bigint }>();
    for (const record of records) {
      const { topic, partition } = record;
      const log = this.#topics.get(topic)?.[partition] as SinkRecord[];
      const name = `${topic}[${partition}]`;
      if (!acks.has(name)) acks.set(name, { topic, partition, baseOffset: BigInt(log.length) });
      log.push(record);
    }
    return { kind: 'acked', acks: [...acks.values()] };
  }

  #refusal({ topic, partition, key, value }: SinkRecord): SendFailure | null {
    const code = 'UNKNOWN_TOPIC_OR_PARTITION';
    if (this.#topics.get(topic)?.[partition] === undefined) {
      return failure('partition-away', code, topic);
    }
    if ((key?.length ?? 0) + (value?.length ?? 0) <= this.#recordBytesMax) return null;
    return failure('refused-record', 'MESSAGE_TOO_LARGE', topic);
  }

  async leaders(topics: readonly string[]): Promise<LeadersOutcome> {
    if (this.#outage !== null) return this.#outage;
    return {
      kind: 'answered',
      topics: new Map(topics.map((topic) => [topic, this.#leadersOf(topic)])),
    };
  }

  #leadersOf(topic: string): TopicLeaders | SendFailure {
    if (!this.#topics.has(topic) && this.#createPartitions === null) {
      return failure('refused-topic', 'UNKNOWN_TOPIC_OR_PARTITION', topic);
    }
    return { topic, partitions: this.#topics.get(topic)?.length ?? 0, leaderless: [] };
  }

  async prepare(topics: readonly string[]): Promise<LeadersOutcome> {
    if (this.#outage !== null) return this.#outage;
    const ready = new Map<string, TopicLeaders | SendFailure>();
    for (const topic of topics) {
      if (!this.#topics.has(topic) && this.#createPartitions !== null) {
        this.createTopic(topic, this.#createPartitions);
      }
      const answer = this.#leadersOf(topic);
      ready.set(topic, answer);
      if ('kind' in answer) break;
    }
    return { kind: 'answered', topics: ready };
  }

  /** Nothing is closed: it stands for the broker as well, which other relays may use. */
  async close(): Promise<void> {}
}

function failure(kind: SendFailureKind, code: string, topic: string | null): SendFailure {
  return { kind, code, message: `the broker in memory says ${code}`, topic, cause: null };
}

/**
 * One ordered stream of sends.
 *
 * Every record has an explicit partition, so that the client's retry cannot choose another one.
 * The answer must cover every topic-partition sent (tulios/kafkajs#1798: a retry after a partial
 * success can drop records and still resolve). After any failure the producer is thrown away: it
 * would use its sequence numbers again, for other records, which the broker takes for repeats.
 * That holds for a failure, too, after which the client's own retry succeeded: kafkajs has rolled
 * the numbers back meanwhile. The retry cannot be turned off, but it asks for every record's
 * partition again, and so it is seen.
 */
import { within } from '../../core/clock.ts';
import { invariant } from '../../core/errors.ts';
import { classify } from '../classify.ts';
import type { PartitionAck, Sender, SendFailure, SendOutcome, SinkRecord } from '../driver.ts';
import {
  Client,
  compressionOf,
  type KafkaJsOptions,
  type Message,
  type Producer,
} from './client.ts';

/** Sequence numbers wrap wrongly in kafkajs; a producer is replaced long before that. */
const recordsPerProducerMax = 1_000_000_000;
const closeMs = 1_000;

export class KafkaJsSender implements Sender {
  readonly #options: KafkaJsOptions;
  readonly #label: string;
  readonly #onClosed: () => void;
  #client: Client | null = null;
  #producer: Producer | null = null;
  #records = 0;
  /** How often the client has asked for a record's partition in this send. */
  #placements = 0;

  /** @param onClosed called when the owner has closed it for good */
  constructor(options: KafkaJsOptions, label: string, onClosed: () => void = () => {}) {
    this.#options = options;
    this.#label = label;
    this.#onClosed = onClosed;
  }

  async send(records: readonly SinkRecord[], deadlineMs: number): Promise<SendOutcome> {
    invariant(records.length > 0, 'a batch is not empty');
    const { clock } = this.#options;
    const phase = { sending: false };
    try {
      const done = await within(clock, deadlineMs, this.#try(records, deadlineMs, phase));
      if (done !== null) {
        if (done.value.kind !== 'acked') this.#discard();
        return done.value;
      }
      this.#discard();
      const kind = phase.sending ? 'unknown' : 'outage';
      const message = `no answer within ${deadlineMs} ms`;
      return { kind, code: 'DEADLINE', message, topic: null, cause: null };
    } catch (error) {
      this.#discard();
      const failure = leaderless(classify(error));
      // Before the produce request nothing can have been written.
      if (failure.kind === 'unknown' && !phase.sending) return { ...failure, kind: 'outage' };
      return failure;
    }
  }

  async #try(
    records: readonly SinkRecord[],
    deadlineMs: number,
    phase: { sending: boolean },
  ): Promise<SendOutcome> {
    if (this.#records > recordsPerProducerMax) await this.#rest();
    const producer = this.#producer ?? (await this.#connect(deadlineMs));
    phase.sending = true;
    this.#records += records.length;
    const bare = nullHeader(records);
    if (bare !== null) return bare;
    const topicMessages = groupByTopic(records);
    const compression = compressionOf(this.#options.compression ?? 'none');
    const options = { acks: -1, timeout: deadlineMs, compression };
    this.#placements = 0;
    const answers = await producer.sendBatch({ ...options, topicMessages });
    const outcome = coverage(records, answers);
    // After another outcome it is discarded anyway.
    if (outcome.kind === 'acked' && this.#placements !== records.length) this.#discard();
    return outcome;
  }

  async #connect(deadlineMs: number): Promise<Producer> {
    const client = new Client(this.#options, this.#label);
    this.#client = client;
    const producer = client.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      transactionTimeout: Math.max(deadlineMs, 1_000),
      retry: { ...client.retry, retries: 1 },
      createPartitioner:
        () =>
        ({ message }) => {
          this.#placements += 1;
          return message.partition as number;
        },
    });
    await producer.connect();
    invariant(this.#client === client, 'one connection attempt at a time');
    this.#producer = producer;
    this.#records = 0;
    return producer;
  }

  #discard(): void {
    this.#client?.cut();
    this.#client = null;
    // Clears its timers; with the sockets cut there is nothing it could wait for.
    this.#producer?.disconnect().catch(() => {});
    this.#producer = null;
  }

  async close(): Promise<void> {
    await this.#rest();
    this.#onClosed();
  }

  async #rest(): Promise<void> {
    const producer = this.#producer;
    const disconnected = producer?.disconnect() ?? Promise.resolve();
    try {
      await within(this.#options.clock, closeMs, disconnected);
    } catch (error) {
      this.#options.onWarning?.('DISCONNECT_FAILED', String(error), error);
    }
    this.#discard();
  }
}

/** What kafkajs says when it looks for the broker that leads a partition without a leader. */
export function leaderless(failure: SendFailure): SendFailure {
  if (failure.code !== 'KafkaJSBrokerNotFound' || !/Broker -1 /.test(failure.message))
    return failure;
  const message = 'a partition has no leader';
  return { ...failure, kind: 'partition-away', code: 'LEADER_NOT_AVAILABLE', message };
}

/** From a foreign writer; kafkajs throws on it (`sizeOfHeaders` measures null). */
export function nullHeader(records: readonly SinkRecord[]): SendFailure | null {
  const bare = records.find(({ headers }) => headers.some(([, value]) => value === null));
  if (bare === undefined) return null;
  const { topic } = bare;
  const message = 'kafkajs cannot write a header without a value';
  return { kind: 'refused-record', code: 'NULL_HEADER', message, topic, cause: null };
}

export function groupByTopic(
  records: readonly SinkRecord[],
): { topic: string; messages: Message[] }[] {
  const topics = new Map<string, Message[]>();
  for (const record of records) {
    let messages = topics.get(record.topic);
    if (messages === undefined) {
      messages = [];
      topics.set(record.topic, messages);
    }
    messages.push(toMessage(record));
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
}

function toMessage({ key, value, partition, headers, timestampMs }: SinkRecord): Message {
  // A header may be called __proto__; without one of these names the plain object is faster.
  const odd = headers.some(([name]) => name === '__proto__');
  const named: Record<string, Buffer | Buffer[]> = odd ? Object.create(null) : {};
  for (const [name, bytes] of headers) {
    const held = Object.hasOwn(named, name) ? named[name] : undefined;
    const one = bytes as Buffer; // not null: checked before
    if (held === undefined) named[name] = one;
    else if (Array.isArray(held)) held.push(one);
    else named[name] = [held, one];
  }
  return { key, value, partition, headers: named, timestamp: String(timestampMs) };
}

interface Answer {
  readonly topicName: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset?: string;
}

/** `acked` only when every topic-partition of the batch was answered, without an error. */
export function coverage(records: readonly SinkRecord[], answers: readonly Answer[]): SendOutcome {
  const missing = new Set(records.map(({ topic, partition }) => `${topic}[${partition}]`));
  const acks: PartitionAck[] = [];
  for (const { topicName: topic, partition, errorCode, baseOffset } of answers) {
    if (errorCode !== 0) return classify({ code: errorCode, message: 'in the answer', topic });
    missing.delete(`${topic}[${partition}]`);
    acks.push({
      topic,
      partition,
      baseOffset: baseOffset === undefined ? null : BigInt(baseOffset),
    });
  }
  if (missing.size === 0) return { kind: 'acked', acks };
  const message = `no acknowledgement for ${[...missing].join(', ')}`;
  return { kind: 'unknown', code: 'PARTIAL_ANSWER', message, topic: null, cause: null };
}

/**
 * The driver seam on kafkajs: senders, and one connection for questions.
 *
 * A connection that is not used is given up: the client's request queue polls once a millisecond
 * (tulios/kafkajs#1704).
 */
import { within } from '../../core/clock.ts';
import { classify } from '../classify.ts';
import type {
  Driver,
  LeadersOutcome,
  Sender,
  SendFailure,
  SinkRecord,
  TransactionalSender,
  TransactionNames,
} from '../driver.ts';
import { type Admin, Client, type KafkaJsOptions } from './client.ts';
import { type Answers, TopicInquiry } from './leaders.ts';
import { KafkaJsSender } from './sender.ts';
import { KafkaJsTransactionalSender } from './transactions.ts';

const adminIdleMs = 10_000;

class KafkaJsDriver implements Driver {
  readonly name = 'kafkajs';
  readonly #options: KafkaJsOptions;
  readonly #senders = new Set<{ close(): Promise<void> }>();
  readonly #inquiry: TopicInquiry;
  #admin: { readonly client: Client; readonly ready: Promise<Admin> } | null = null;
  #cancelIdle: () => void = () => {};
  #closed = false;

  constructor(options: KafkaJsOptions) {
    this.#options = options;
    this.#inquiry = new TopicInquiry(options);
  }

  createSender(label: string): Sender {
    const forget = () => this.#senders.delete(sender);
    const sender: KafkaJsSender = new KafkaJsSender(this.#options, label, forget);
    this.#senders.add(sender);
    const send = async (records: readonly SinkRecord[], deadlineMs: number) =>
      this.#closed ? closed : sender.send(records, deadlineMs);
    return { send, close: () => sender.close() };
  }

  createTransactionalSender(label: string, names: TransactionNames): TransactionalSender {
    const given = { label, names };
    const sender: KafkaJsTransactionalSender = new KafkaJsTransactionalSender(
      this.#options,
      given,
      {
        closedFailure: () => (this.#closed ? closed : null),
        onSenderClosed: () => this.#senders.delete(sender),
      },
    );
    this.#senders.add(sender);
    return sender;
  }

  leaders(topics: readonly string[], deadlineMs: number): Promise<LeadersOutcome> {
    return this.#ask(deadlineMs, async (admin) => {
      if (topics.length === 0) await admin.describeCluster();
      return this.#inquiry.ask(admin, topics);
    });
  }

  prepare(topics: readonly string[], deadlineMs: number): Promise<LeadersOutcome> {
    const endMs = this.#options.clock.monotonic() + deadlineMs;
    return this.#ask(deadlineMs, (admin) => this.#inquiry.prepare(admin, topics, endMs));
  }

  async #ask(deadlineMs: number, ask: (admin: Admin) => Promise<Answers>): Promise<LeadersOutcome> {
    const { clock } = this.#options;
    if (this.#closed) return closed;
    try {
      const asking = this.#connectAdmin().then(ask);
      const done = await within(clock, deadlineMs, asking);
      if (done !== null) return { kind: 'answered', topics: done.value };
      this.#dropAdmin();
      const message = `no answer within ${deadlineMs} ms`;
      return { kind: 'outage', code: 'DEADLINE', message, topic: null, cause: null };
    } catch (error) {
      this.#dropAdmin();
      if (this.#closed) return closed;
      const failure = classify(error);
      return failure.kind === 'unknown' ? { ...failure, kind: 'outage' } : failure;
    }
  }

  #connectAdmin(): Promise<Admin> {
    if (this.#admin === null) {
      const client = new Client(this.#options, 'leaders');
      const admin = client.kafka.admin({ retry: client.retry });
      this.#admin = { client, ready: admin.connect().then(() => admin) };
    }
    this.#cancelIdle();
    this.#cancelIdle = this.#options.clock.after(adminIdleMs, () => this.#dropAdmin());
    return this.#admin.ready;
  }

  #dropAdmin(): void {
    this.#cancelIdle();
    const dropped = this.#admin;
    this.#admin = null;
    dropped?.client.cut();
    // Clears its timers; a connection that never came about has none.
    dropped?.ready.then((admin) => admin.disconnect()).catch(() => {});
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    this.#dropAdmin();
    const closing = Promise.all([...this.#senders].map((sender) => sender.close()));
    await within(this.#options.clock, deadlineMs, closing);
    this.#senders.clear();
  }
}

/** A connection that is made after the end would be nobody's, and keep the process alive. */
const closed: SendFailure = Object.freeze({
  kind: 'outage',
  code: 'DRIVER_CLOSED',
  message: 'the driver was closed',
  topic: null,
  cause: null,
});

export function createKafkaJsDriver(options: KafkaJsOptions): Driver {
  return new KafkaJsDriver(options);
}

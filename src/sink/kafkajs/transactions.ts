/**
 * One ordered stream of transactions: records and a watermark, both or neither.
 *
 * Opening runs InitProducerId, which fences every older producer of the id and completes or aborts
 * what it left open; only then are the watermarks read. OffsetFetch as kafkajs speaks it does not
 * wait for a commit that is being written, so two reads must agree. Then what Kafka may have lost
 * of the last commit (last-commit.ts) is ended by an aborted one of the same records: that puts
 * an end into each of its partitions. When its commit had been acknowledged, it is sent again.
 *
 * After any failure the producer is thrown away.
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
import { type Admin, Client, type KafkaJsOptions } from './client.ts';
import { LastCommit, type LostCommit } from './last-commit.ts';
import { leaderless, nullHeader } from './sender.ts';
import { TransactionalProducer, type Work } from './transactional-producer.ts';
import { areEqual, ensureWatermarks, readWatermarks } from './watermarks.ts';

const agreeMs = 200;
const closeMs = 1_000;

/** Whose sender it is. */
interface SendersDriver {
  /** Why nothing connects any more; `null`: it may. */
  closedFailure(): SendFailure | null;
  onSenderClosed(): void;
}
/** Where one asks and connects; a later one has another. */
interface Opening {
  readonly client: Client;
  readonly admin: Admin;
}
type Phase = 'marking' | 'sending' | 'committing';

export class KafkaJsTransactionalSender implements TransactionalSender {
  readonly #options: KafkaJsOptions;
  readonly #label: string;
  readonly #names: TransactionNames;
  readonly #driver: SendersDriver;
  readonly #last = new LastCommit();
  /** The opening's own. */
  #admin: Client | null = null;
  #producer: TransactionalProducer | null = null;
  #isOpen = false;

  constructor(
    options: KafkaJsOptions,
    given: { readonly label: string; readonly names: TransactionNames },
    driver: SendersDriver,
  ) {
    this.#options = options;
    this.#label = given.label;
    this.#names = given.names;
    this.#driver = driver;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get mayHaveLost(): boolean {
    return this.#last.isPromised && (!this.#isOpen || this.#producer?.isCut === true);
  }

  get inDoubt(): boolean {
    return this.#last.inDoubt;
  }

  async open(deadlineMs: number): Promise<OpenOutcome> {
    this.#discard();
    const closed = this.#driver.closedFailure();
    if (closed !== null) return closed;
    try {
      const done = await within(this.#options.clock, deadlineMs, this.#open(deadlineMs));
      if (done?.value.kind === 'opened') return done.value;
      this.#discard();
      return done === null ? late(deadlineMs, 'outage') : noRefusal(done.value);
    } catch (error) {
      this.#discard();
      return noRefusal(classify(error));
    }
  }

  async #open(deadlineMs: number): Promise<OpenOutcome> {
    const client = new Client(this.#options, `${this.#label}-admin`);
    this.#admin = client;
    try {
      const admin = client.kafka.admin({ retry: client.retry });
      await admin.connect();
      await ensureWatermarks(admin, this.#names.slots);
      await this.#connect(client, deadlineMs);
      let watermarks = await this.#agreed(admin);
      const lost = this.#last.lostBy(watermarks);
      if (lost !== null) {
        const failure = await this.#settle({ client, admin }, lost, deadlineMs);
        if (failure !== null) return failure;
        watermarks = await this.#agreed(admin);
      }
      invariant(this.#admin === client, 'one opening at a time');
      this.#last.acked(); // or forgotten
      this.#producer?.watchConnections();
      this.#isOpen = true;
      return { kind: 'opened', watermarks };
    } finally {
      client.cut();
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

  /** @param opening nobody waits any more for one that was given up */
  async #connect(opening: Client, deadlineMs: number): Promise<TransactionalProducer> {
    invariant(this.#admin === opening, 'one opening at a time');
    this.#producer?.giveUp();
    const given = { label: this.#label, names: this.#names, deadlineMs };
    const producer = new TransactionalProducer(this.#options, given);
    this.#producer = producer;
    await producer.connect();
    return producer;
  }

  /** Leaves a producer that can go on, or says why it cannot be done now. */
  async #settle(
    opening: Opening,
    lost: LostCommit,
    deadlineMs: number,
  ): Promise<SendFailure | null> {
    const failure = await this.#endAndRepeat(opening, lost, deadlineMs);
    if (failure === null) return null;
    // Whoever was late for its deadline decides nothing any more.
    invariant(this.#admin === opening.client, 'one opening at a time');
    const { kind, message, cause } = failure;
    if (kind === 'outage' || kind === 'unknown' || kind === 'fenced') return failure;
    if (lost.isAcked) {
      // Not an outage: the other lanes go on.
      return { ...failure, kind: 'unknown', message: `${takenBack}: ${message}` };
    }
    const isPassing = kind === 'partition-away' || kind === 'bug';
    if (isPassing && this.#last.mayTry(this.#options.clock.monotonic(), deadlineMs)) return failure;
    // Its topic is gone, or takes no more: the lane must not wait for that.
    this.#options.onWarning?.('TRANSACTION_NOT_ENDED', message, cause);
    this.#last.forget();
    await this.#connect(opening.client, deadlineMs);
    return null;
  }

  async #endAndRepeat(
    { client, admin }: Opening,
    lost: LostCommit,
    deadlineMs: number,
  ): Promise<SendFailure | null> {
    try {
      let producer = this.#producer;
      invariant(producer !== null, 'a producer is connected before what is lost is settled');
      if (!lost.isEnded) {
        const failure = await producer.writeAborted(lost, deadlineMs);
        if (failure !== null) return failure;
        producer = await this.#connect(client, deadlineMs);
        this.#last.ended();
      }
      if (!lost.isAcked) {
        this.#last.forget();
        return null;
      }
      // Another process may have had the lane in between.
      if (this.#last.lostBy(await this.#agreed(admin)) === null) return null;
      const { outcome, transaction } = await producer.write(lost, deadlineMs);
      if (outcome.kind !== 'acked') return outcome;
      invariant(this.#admin === client, 'one opening at a time');
      this.#last.repeated();
      await transaction.commit();
      return null;
    } catch (error) {
      return leaderless(classify(error));
    }
  }

  async send(
    records: readonly SinkRecord[],
    marks: readonly SlotMark[],
    deadlineMs: number,
  ): Promise<SendOutcome> {
    invariant(marks.length > 0, 'a transaction has a mark');
    const producer = this.#producer;
    invariant(producer !== null && this.#isOpen, 'a sender of transactions is open');
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
    producer: TransactionalProducer,
    given: Work & { readonly deadlineMs: number; readonly progress: { phase: Phase } },
  ): Promise<SendOutcome> {
    const { records, marks, deadlineMs, progress } = given;
    // The deadline may have passed while this went on: nobody waits for it any more.
    const isCurrent = () => this.#producer === producer;
    const { outcome, transaction } = await producer.write({ records, marks }, deadlineMs, () => {
      invariant(isCurrent(), 'the sender was not given up meanwhile');
      if (this.mayHaveLost) throw lostConnection();
      this.#last.forget(); // Kafka takes no other one before it has written the end of the last
      progress.phase = 'sending';
    });
    if (outcome.kind !== 'acked') return outcome;
    invariant(isCurrent(), 'the sender was not given up meanwhile');
    progress.phase = 'committing';
    this.#last.asked({ records, marks });
    await transaction.commit();
    if (isCurrent()) this.#last.acked();
    return outcome;
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
    this.#isOpen = false;
    this.#admin?.cut();
    this.#admin = null;
    this.#producer?.giveUp();
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
    this.#driver.onSenderClosed();
  }
}

const takenBack =
  'Kafka has acknowledged a batch, lost it, and does not take it again (a restart gives it up)';

/** It was made again by the client, which says nothing: the broker may be back from a kill. */
function lostConnection(): Error {
  return Object.assign(new Error('the connection was lost meanwhile'), { code: 'ECONNRESET' });
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

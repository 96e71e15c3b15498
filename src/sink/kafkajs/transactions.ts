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
/** A partition may be away for a moment after its broker was started. */
const endAgainMs = 250;
const closeMs = 1_000;

/** Whose sender it is. */
interface SendersDriver {
  /** Why nothing connects any more; `null`: it may. */
  closedFailure(): SendFailure | null;
  onSenderClosed(): void;
}
type Phase = 'marking' | 'sending' | 'committing';
interface Progress {
  phase: Phase;
}
const newProgress = (): Progress => ({ phase: 'marking' });

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

  get isCut(): boolean {
    return this.#producer?.isCut ?? false;
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
        const failure = await this.#settle(client, lost, deadlineMs);
        if (failure !== null) return failure;
        watermarks = await this.#agreed(admin);
      }
      invariant(this.#admin === client, 'one opening at a time');
      this.#last.forget();
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
  async #settle(opening: Client, lost: LostCommit, deadlineMs: number) {
    const { clock, onWarning } = this.#options;
    const untilMs = clock.monotonic() + deadlineMs / 2;
    for (;;) {
      const failure = await this.#endAndRepeat(opening, lost, deadlineMs);
      if (failure === null) return null;
      const { kind, message, cause } = failure;
      if (kind === 'outage' || kind === 'unknown' || kind === 'fenced') return failure;
      const isLast = kind !== 'partition-away' || clock.monotonic() >= untilMs;
      if (!isLast) await pause(clock, endAgainMs);
      await this.#connect(opening, deadlineMs);
      if (!isLast) continue;
      // Its topic is gone, or takes no more: the lane must not wait for that.
      onWarning?.('TRANSACTION_NOT_ENDED', message, cause);
      return null;
    }
  }

  /** What is killed in between leaves an acknowledged one unsent: guarantees.md, the limits. */
  async #endAndRepeat(
    opening: Client,
    lost: LostCommit,
    deadlineMs: number,
  ): Promise<SendFailure | null> {
    const first = this.#producer;
    invariant(first !== null, 'a producer is connected before what is lost is settled');
    try {
      const failure = await first.writeAborted(lost, deadlineMs);
      if (failure !== null) return failure;
      const producer = await this.#connect(opening, deadlineMs);
      if (!lost.isAcked) return null;
      const again = await producer.write(lost, deadlineMs);
      if (again.outcome.kind !== 'acked') return again.outcome;
      await again.transaction.commit();
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
    const [work, progress] = [{ records, marks }, newProgress()];
    const sending = (producer: TransactionalProducer) =>
      this.#try(producer, { ...work, deadlineMs, progress });
    const outcome = await this.#within(work, { deadlineMs, progress }, sending);
    return outcome.kind === 'acked' ? outcome : this.#failed(outcome, progress.phase);
  }

  async sendAborted(
    records: readonly SinkRecord[],
    marks: readonly SlotMark[],
    deadlineMs: number,
  ): Promise<SendFailure | null> {
    const [work, progress] = [{ records, marks }, newProgress()];
    const onMarked = () => {
      progress.phase = 'sending';
    };
    const aborted = await this.#within(work, { deadlineMs, progress }, (producer) =>
      producer.writeAborted(work, deadlineMs, onMarked),
    );
    if (aborted !== null) return this.#failed(aborted, progress.phase);
    this.#discard();
    return null;
  }

  /** What becomes of it in time. */
  async #within<T>(
    { records, marks }: Work,
    { deadlineMs, progress }: { readonly deadlineMs: number; readonly progress: Progress },
    run: (producer: TransactionalProducer) => Promise<T>,
  ): Promise<T | SendFailure> {
    invariant(marks.length > 0, 'a transaction has a mark');
    const producer = this.#producer;
    invariant(producer !== null && this.#isOpen, 'a sender of transactions is open');
    const bare = nullHeader(records);
    if (bare !== null) {
      progress.phase = 'sending';
      return bare;
    }
    try {
      const done = await within(this.#options.clock, deadlineMs, run(producer));
      return done === null ? late(deadlineMs, 'unknown') : done.value;
    } catch (error) {
      return leaderless(classify(error));
    }
  }

  async #try(
    producer: TransactionalProducer,
    given: Work & { readonly deadlineMs: number; readonly progress: Progress },
  ): Promise<SendOutcome> {
    const { records, marks, deadlineMs, progress } = given;
    // The deadline may have passed while this went on: nobody waits for it any more.
    const isCurrent = () => this.#producer === producer;
    const { outcome, transaction } = await producer.write({ records, marks }, deadlineMs, () => {
      invariant(isCurrent(), 'the sender was not given up meanwhile');
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
  #failed(failure: SendFailure, phase: Phase): SendFailure {
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

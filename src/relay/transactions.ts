/**
 * The transactions of one lane: `delivery: 'exactly-once'`.
 *
 * Records and how far the lane is are committed to Kafka together, and only then the cursor moves
 * here. What a kill -9 leaves:
 *   before the commit : Kafka has nothing; the next opening ends the transaction, and the batch is
 *                       sent anew.
 *   after the commit  : Kafka has the batch and its watermark; the next opening reads it and moves
 *                       the cursor without sending.
 * What a transaction passes without sending it is set aside first; when Kafka does not have the
 * transaction, that is taken back.
 *
 * Two slots a lane: the seq of its log that all is delivered or held up to, and the number of its
 * last send of held events.
 */
import { invariant } from '../core/errors.ts';
import type { WatermarkFault } from '../core/watermark-fault.ts';
import type { LaneRecovery, SendingEvent } from '../outbox/recovery.ts';
import type { Lease } from '../outbox/store.ts';
import type {
  SendFailure,
  SendOutcome,
  SinkRecord,
  SlotMark,
  TransactionalSender,
} from '../sink/driver.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import { fromMark, toMark, type Watermark } from './watermark.ts';

export interface TransactionWork {
  readonly lease: Lease;
  readonly via: 'job' | 'sweep';
}

export type Readiness = 'ready' | 'reopened' | 'leaseLost';

/** Kafka forgets marks that were not committed for `offsets.retention.minutes`, 7 days. */
const markAgainMs = 24 * 3_600_000;

export class LaneTransactions {
  readonly #lane: number;
  readonly #parts: LaneParts;
  readonly #journal: LaneJournal;
  #sender: TransactionalSender | null = null;
  /** Of the file when the sender was made. */
  #incarnation = '';
  /** Of our last lease. */
  #fence = 0;
  /** Kafka may have a transaction that is not settled here; `null`: the file knows. */
  #doubt: boolean | null = null;
  /** When both slots were committed last, on the monotonic clock. */
  #markedAtMs = 0;

  constructor(lane: number, parts: LaneParts) {
    this.#lane = lane;
    this.#parts = parts;
    this.#journal = new LaneJournal(lane, parts);
  }

  /** Of each lease at once: when somebody else had the lane in between, only the file knows. */
  claimed({ fence }: Lease): void {
    if (this.#fence !== fence - 1) this.#doubt = null;
    this.#fence = fence;
  }

  /**
   * Makes this process the only one that can commit for the lane, and the file agree with Kafka.
   * @throws DRAIN_FAILED when Kafka is away, or when only an operator can tell what is true
   */
  async ready(work: TransactionWork): Promise<Readiness> {
    invariant(this.#fence === work.lease.fence, 'a lane is claimed before it is made ready');
    // An operator has given up what Kafka says: from now on it is asked under another name.
    if (this.#sender !== null && this.#parts.store.recovery.incarnation() !== this.#incarnation) {
      await this.#drop();
    }
    const isFresh = this.#parts.clock.monotonic() - this.#markedAtMs < markAgainMs;
    const isOpen = isFresh && this.#sender?.isOpen === true && !this.mayHaveLost;
    return isOpen && this.#doubt === false ? 'ready' : this.#open(work);
  }

  async #open({ lease, via }: TransactionWork): Promise<Readiness> {
    const { store, sendTimeoutMs } = this.#parts;
    this.#sender ??= this.#createSender();
    const known = store.recovery.read(this.#lane);
    const opened = await this.#sender.open(sendTimeoutMs);
    if (opened.kind !== 'opened') return this.#journal.fail(lease, opened, null);
    const doubt = this.#doubt ?? known.open;
    const failure = await this.#agree({ lease, via }, { known, doubt, of: opened.watermarks });
    if (failure === 'leaseLost') return this.#journal.leaseLost(lease);
    if (failure !== null) {
      await this.rest();
      return this.#journal.fail(lease, failure, null);
    }
    // From here on a slot without a watermark is one that Kafka has lost.
    const marked = await this.#sender.send([], this.#marksNow(), sendTimeoutMs);
    if (marked.kind !== 'acked') return this.#journal.fail(lease, marked, null);
    if (!(await store.recovery.begin(lease))) return this.#journal.leaseLost(lease);
    this.#doubt = false;
    this.#markedAtMs = this.#parts.clock.monotonic();
    return 'reopened';
  }

  #createSender(): TransactionalSender {
    const { driver, store } = this.#parts;
    const { outboxId, lanes } = store.identity;
    const incarnation = store.recovery.incarnation();
    this.#incarnation = incarnation;
    invariant(driver.createTransactionalSender !== undefined, 'a driver with transactions');
    return driver.createTransactionalSender(`lane-${this.#lane}`, {
      transactionalId: `${outboxId}-${this.#lane}`,
      group: `outbox-relay.${outboxId}.${incarnation}`,
      slots: 2 * lanes,
      ownSlots: [this.#slots.log, this.#slots.held],
    });
  }

  get #slots(): { readonly log: number; readonly held: number } {
    return { log: this.#lane, held: this.#parts.store.identity.lanes + this.#lane };
  }

  /** What the file says now; nothing is passed by it. */
  #marksNow(): SlotMark[] {
    const { store } = this.#parts;
    const { cursor } = store.readLane(this.#lane);
    const { sendNo } = store.recovery.read(this.#lane);
    const stays = (number: number) => toMark({ number, from: number, eventId: null, aside: 0 });
    return [
      { slot: this.#slots.log, ...stays(cursor) },
      { slot: this.#slots.held, ...stays(sendNo) },
    ];
  }

  /** Brings the file to what Kafka has; or why that cannot be done. */
  async #agree(
    work: TransactionWork,
    kafka: {
      readonly known: LaneRecovery;
      readonly doubt: boolean;
      readonly of: ReadonlyMap<number, SlotMark>;
    },
  ): Promise<SendFailure | 'leaseLost' | null> {
    const { known, doubt, of } = kafka;
    const [log, held] = [of.get(this.#slots.log), of.get(this.#slots.held)];
    if (doubt && (log === undefined || held === undefined)) return missing();
    const wrong = this.#logFault(log) ?? heldFault(held, known);
    if (wrong !== null) return wrong;
    const { store, refusals } = this.#parts;
    if (!(await store.recovery.passTo(work.lease, log?.number ?? 0))) return 'leaseLost';
    const isLast = held !== undefined && held.number === known.sendNo;
    const isIts = isLast && fromMark(held)?.eventId === (known.sending[0]?.id ?? null);
    // Not the last send: its events are due as before.
    const delivered = isIts ? known.sending.map((event) => event.seq) : [];
    const change = { delivered, rules: refusals, via: work.via };
    const settled = await store.held.settle(work.lease, change);
    return settled ? null : 'leaseLost';
  }

  /** A mark ahead of the file must be of the transaction that was begun where the file is now. */
  #logFault(mark: SlotMark | undefined): SendFailure | null {
    if (mark === undefined) return null;
    const { store } = this.#parts;
    const { cursor } = store.readLane(this.#lane);
    if (mark.number <= cursor) return null;
    const { number: seq, from, eventId, aside } = fromMark(mark) ?? unknownWatermark;
    const isOurs =
      from === cursor &&
      store.recovery.idOf(this.#lane, seq) === eventId &&
      store.recovery.countAside(this.#lane, from, seq) >= aside;
    if (isOurs) return null;
    return ahead(`Kafka has lane ${this.#lane} up to seq ${mark.number}, this file to ${cursor}`);
  }

  /** The log up to this event; so many of the events since the cursor are set aside. */
  logMark({ seq, id }: SendingEvent, { from, aside }: { from: number; aside: number }): SlotMark {
    return { slot: this.#slots.log, ...toMark({ number: seq, from, eventId: id, aside }) };
  }

  heldMark(sendNo: number, [first]: readonly SendingEvent[]): SlotMark {
    const mark = { number: sendNo, from: sendNo - 1, eventId: first?.id ?? null, aside: 0 };
    return { slot: this.#slots.held, ...toMark(mark) };
  }

  /** From now on, whatever throws: the lane is opened anew before it goes on. */
  begin(): void {
    this.#doubt = true;
  }

  /** Pair an `acked` with {@link LaneTransactions.settled}: until then it is opened anew. */
  async send(records: readonly SinkRecord[], mark: SlotMark): Promise<SendOutcome> {
    const sender = this.#sender;
    invariant(sender?.isOpen === true, 'a lane is ready before it sends');
    this.#doubt = true;
    const outcome = await sender.send(records, [mark], this.#parts.sendTimeoutMs);
    if (outcome.kind !== 'acked') this.#doubt = sender.inDoubt;
    return outcome;
  }

  /** Whether Kafka may have what was sent last. */
  get inDoubt(): boolean {
    return this.#doubt !== false;
  }

  /** The file has what Kafka has. */
  settled(): void {
    if (this.#sender?.isOpen === true) this.#doubt = false;
  }

  async #drop(): Promise<void> {
    const sender = this.#sender;
    this.#sender = null;
    this.#doubt = null;
    await sender?.close();
  }

  /** Whether Kafka may have lost what it acknowledged last: making the lane ready tells. */
  get mayHaveLost(): boolean {
    return this.#sender?.mayHaveLost ?? false;
  }

  /**
   * Gives the connection up, and says that nothing is in doubt when that is so. A sender that
   * knows what Kafka may have or have lost is kept.
   */
  async rest(): Promise<void> {
    const sender = this.#sender;
    if (sender === null || sender.inDoubt) return;
    const [fence, settled] = [this.#fence, this.#doubt === false];
    if (settled) this.#doubt = null; // the file says so from now on
    if (!sender.mayHaveLost) {
      this.#sender = null;
      await sender.close();
    }
    if (settled) await this.#parts.store.recovery.end(this.#lane, fence);
  }
}

/** Of a note that is not ours: of no event that there is. */
const unknownWatermark: Watermark = { number: 0, from: Infinity, eventId: '', aside: 0 };

function heldFault(mark: SlotMark | undefined, { sendNo }: LaneRecovery): SendFailure | null {
  if (mark === undefined || mark.number <= sendNo) return null;
  return ahead(`Kafka has send ${mark.number} of held events, this file has made ${sendNo}`);
}

const wayOut = 'outbox-relay reset-watermarks gives them up: what is not settled is sent once more';

function ahead(what: string): SendFailure {
  const why = 'it was restored from an older copy, or is another one';
  return atOdds('WATERMARK_AHEAD', `${what}: ${why}; ${wayOut}`);
}

function missing(): SendFailure {
  const why = 'they expire after offsets.retention.minutes, and with their topic';
  const what = 'a relay ended in the middle, and its watermarks are gone';
  return atOdds('WATERMARK_MISSING', `${what} (${why}); ${wayOut}`);
}

function atOdds(code: WatermarkFault, message: string): SendFailure {
  return { kind: 'unknown', code, message, topic: null, cause: null };
}

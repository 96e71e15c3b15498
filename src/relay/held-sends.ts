/** The connection of a lane's held events, and how what becomes of them is written down. */
import type { HeldChange } from '../outbox/held.ts';
import type { SendingEvent } from '../outbox/recovery.ts';
import type { Sender, SendOutcome, SinkRecord } from '../sink/driver.ts';
import { loadOf } from './batch.ts';
import type { GovernorShare } from './governor.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import type { Progress } from './log-drain.ts';
import type { Owned } from './stops.ts';
import type { LaneTransactions } from './transactions.ts';

export interface HeldWork extends Owned {
  readonly via: 'job' | 'sweep';
  readonly signal: AbortSignal;
}

export class HeldSends {
  readonly lane: number;
  readonly #parts: LaneParts;
  readonly #journal: LaneJournal;
  readonly #share: GovernorShare;
  /** Its own: a refusal costs the connection, and the log's goes on. */
  #sender: Sender | null = null;
  readonly #transactions: LaneTransactions | null;

  constructor(lane: number, parts: LaneParts, transactions: LaneTransactions | null) {
    this.lane = lane;
    this.#parts = parts;
    this.#journal = new LaneJournal(lane, parts);
    this.#share = parts.governor.share();
    this.#transactions = transactions;
  }

  /** As the governor's share: false when it was waited, and all must be looked at again. */
  mayGo(records: readonly SinkRecord[], signal: AbortSignal): Promise<boolean> {
    return this.#share.mayGo(loadOf(records), signal);
  }

  /** @param sendNo number of the send, which the events are marked with */
  send(
    records: readonly SinkRecord[],
    sendNo: number,
    events: readonly SendingEvent[],
  ): Promise<SendOutcome> {
    const transactions = this.#transactions;
    if (transactions === null) return this.sendCopies(records);
    return transactions.send(records, transactions.heldMark(sendNo, events));
  }

  /** Kafka may have what was sent last: its marks stay until that is known. */
  get inDoubt(): boolean {
    return this.#transactions?.inDoubt ?? false;
  }

  /** Records that are no events of the outbox: at least once, always. */
  sendCopies(records: readonly SinkRecord[]): Promise<SendOutcome> {
    const { driver, sendTimeoutMs } = this.#parts;
    this.#sender ??= driver.createSender(`lane-${this.lane}-held`);
    return this.#sender.send(records, sendTimeoutMs);
  }

  async change(work: HeldWork, change: Omit<HeldChange, 'via' | 'rules'>): Promise<Progress> {
    const { store, refusals: rules, onStep } = this.#parts;
    const { lease, via } = work;
    const settle = () => store.held.settle(lease, { ...change, rules, via });
    if (!(await this.#journal.persist(settle))) return this.#journal.leaseLost(lease);
    this.#transactions?.settled();
    await onStep('heldSettled', this.lane);
    return 'sent';
  }

  /** Gives the connection up; the next send connects again. */
  async rest(): Promise<void> {
    const sender = this.#sender;
    this.#sender = null;
    await sender?.close();
  }
}

/** The connection of a lane's held events, and how what becomes of them is written down. */
import type { HeldChange } from '../outbox/held.ts';
import type { Sender, SendOutcome, SinkRecord } from '../sink/driver.ts';
import { loadOf } from './batch.ts';
import type { GovernorShare } from './governor.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import type { Progress } from './log-drain.ts';
import type { Owned } from './stops.ts';

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

  constructor(lane: number, parts: LaneParts) {
    this.lane = lane;
    this.#parts = parts;
    this.#journal = new LaneJournal(lane, parts);
    this.#share = parts.governor.share();
  }

  /** As the governor's share: false when it was waited, and all must be looked at again. */
  mayGo(records: readonly SinkRecord[], signal: AbortSignal): Promise<boolean> {
    return this.#share.mayGo(loadOf(records), signal);
  }

  send(records: readonly SinkRecord[]): Promise<SendOutcome> {
    const { driver, sendTimeoutMs } = this.#parts;
    this.#sender ??= driver.createSender(`lane-${this.lane}-held`);
    return this.#sender.send(records, sendTimeoutMs);
  }

  async change(work: HeldWork, change: Omit<HeldChange, 'via' | 'rules'>): Promise<Progress> {
    const { store, refusals: rules, onStep } = this.#parts;
    const { lease, via } = work;
    const settle = () => store.held.settle(lease, { ...change, rules, via });
    if (!(await this.#journal.persist(settle))) return this.#journal.leaseLost(lease);
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

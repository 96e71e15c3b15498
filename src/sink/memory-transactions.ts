/**
 * Transactions of the driver in memory: what Kafka's coordinator keeps, and commits that a test
 * lets go wrong.
 */
import { invariant } from '../core/errors.ts';
import type {
  OpenOutcome,
  SendFailure,
  SendOutcome,
  SinkRecord,
  SlotMark,
  TransactionalSender,
  TransactionNames,
} from './driver.ts';

/** `lost`: Kafka never heard of the commit. `unheard`: it has committed, and nobody was told. */
export type CommitFault = 'lost' | 'unheard';

export interface MemoryBroker {
  /** Why nobody reaches it; `null` when it answers. */
  outage(): SendFailure | null;
  /** Why it would not write these records; `null` when it would. */
  refuse(records: readonly SinkRecord[]): Promise<SendFailure | null>;
  write(records: readonly SinkRecord[]): SendOutcome;
}

/** Of all senders of one broker. */
export class MemoryCoordinator {
  readonly #broker: MemoryBroker;
  /** How often each transactional id was opened. */
  readonly #epochs = new Map<string, number>();
  readonly #marks = new Map<string, Map<number, SlotMark>>();
  #beforeCommit: () => CommitFault | null = () => null;

  constructor(broker: MemoryBroker) {
    this.#broker = broker;
  }

  interceptCommits(hook: () => CommitFault | null): void {
    this.#beforeCommit = hook;
  }

  /** As when its topic was deleted. */
  forgetWatermarks(): void {
    this.#marks.clear();
  }

  open(names: TransactionNames): { epoch: number; outcome: OpenOutcome } {
    const { transactionalId, group, ownSlots } = names;
    const outage = this.#broker.outage();
    if (outage !== null) return { epoch: 0, outcome: outage };
    const epoch = (this.#epochs.get(transactionalId) ?? 0) + 1;
    this.#epochs.set(transactionalId, epoch);
    const marks = [...(this.#marks.get(group) ?? [])].filter(([slot]) => ownSlots.includes(slot));
    return { epoch, outcome: { kind: 'opened', watermarks: new Map(marks) } };
  }

  isNewest(transactionalId: string, epoch: number): boolean {
    return this.#epochs.get(transactionalId) === epoch;
  }

  async commit(
    names: TransactionNames,
    epoch: number,
    work: { readonly records: readonly SinkRecord[]; readonly marks: readonly SlotMark[] },
  ): Promise<SendOutcome | CommitFault> {
    const { records, marks } = work;
    const failure =
      this.#broker.outage() ?? (records.length > 0 ? await this.#broker.refuse(records) : null);
    if (failure !== null) return failure;
    if (!this.isNewest(names.transactionalId, epoch)) return fenced;
    const fault = this.#beforeCommit();
    if (fault === 'lost') return fault;
    const outcome = this.#broker.write(records);
    const group = this.#marks.get(names.group) ?? new Map<number, SlotMark>();
    for (const mark of marks) group.set(mark.slot, mark);
    this.#marks.set(names.group, group);
    return fault ?? outcome;
  }
}

export class MemoryTransactionalSender implements TransactionalSender {
  readonly #coordinator: MemoryCoordinator;
  readonly #names: TransactionNames;
  #epoch = 0;
  #isOpen = false;
  #inDoubt = false;

  constructor(coordinator: MemoryCoordinator, names: TransactionNames) {
    this.#coordinator = coordinator;
    this.#names = names;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get mayHaveLost(): boolean {
    return false;
  }

  get inDoubt(): boolean {
    return this.#inDoubt;
  }

  async open(): Promise<OpenOutcome> {
    this.#isOpen = false;
    const { epoch, outcome } = this.#coordinator.open(this.#names);
    if (outcome.kind !== 'opened') return outcome;
    this.#epoch = epoch;
    this.#isOpen = true;
    this.#inDoubt = false;
    return outcome;
  }

  async send(records: readonly SinkRecord[], marks: readonly SlotMark[]): Promise<SendOutcome> {
    invariant(marks.length > 0, 'a transaction has a mark');
    invariant(this.#isOpen, 'a sender of transactions is open');
    this.#isOpen = false;
    const outcome = await this.#coordinator.commit(this.#names, this.#epoch, { records, marks });
    this.#inDoubt = typeof outcome === 'string';
    if (typeof outcome === 'string') return unheard;
    this.#isOpen = outcome.kind === 'acked';
    return outcome;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }
}

const unheard: SendFailure = {
  kind: 'unknown',
  code: 'DEADLINE',
  message: 'no answer about a commit',
  topic: null,
  cause: null,
};
const fenced: SendFailure = {
  kind: 'fenced',
  code: 'INVALID_PRODUCER_EPOCH',
  message: 'a newer sender of this transactional id was opened',
  topic: null,
  cause: null,
};

/**
 * The next events of a lane's log: read, send, settle. What may not pass is set aside in the same
 * transaction that moves the cursor past it.
 *
 * What a kill -9 leaves between any two steps:
 *   read … checked : nothing has left; the next owner starts from the same cursor.
 *   sent … settled : the batch is in Kafka and the cursor is not moved; the next owner sends the
 *                    same batch again: duplicates, no loss, order kept, because no later batch of
 *                    the lane was sent before this one's ack.
 */
import { invariant } from '../core/errors.ts';
import type { LoggedEvent } from '../core/event.ts';
import type { Hold, TopicKey } from '../outbox/held.ts';
import type { PartitionAck, Sender, SendFailure, SendOutcome } from '../sink/driver.ts';
import { type Batch, buildBatch, loadOf, outOfRange, type RecordFault } from './batch.ts';
import type { GovernorShare } from './governor.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import { ledgerOf } from './ledger.ts';
import { LeftOut, leftBehind } from './left-out.ts';
import { stopAfterMs } from './refusal.ts';
import type { Owned, Stops } from './stops.ts';
import { forgotten } from './topics.ts';
import type { LaneTransactions } from './transactions.ts';

/** `narrowed`: nothing was settled, and the next try is another one. */
export type Progress = 'sent' | 'narrowed' | 'empty' | 'leaseLost';

export interface LogWork extends Owned {
  readonly cursor: number;
  readonly via: 'job' | 'sweep';
  readonly signal: AbortSignal;
}

/** A batch on its way. */
interface Sent {
  readonly work: LogWork;
  readonly batch: Batch;
  /** What it leaves out, set aside already; `null`: nothing is yet. */
  readonly aside: readonly Hold[] | null;
}

type Answer = { readonly acks: readonly PartitionAck[] } | RecordFault;

export class LogDrain {
  readonly #lane: number;
  readonly #parts: LaneParts;
  readonly #journal: LaneJournal;
  readonly #stops: Stops;
  readonly #transactions: LaneTransactions | null;
  readonly #leftOut: LeftOut;
  readonly #share: GovernorShare;
  #sender: Sender | null = null;
  /** Events a batch may have now: halves when a record is refused, doubles when one is sent. */
  #eventsMax: number;
  /** What cannot be sent to at present, and since when: it may pass by itself. */
  #trouble: { readonly what: string; readonly sinceMs: number } | null = null;
  /** The event of which it was last asked again whether its partition is there. */
  #doubted: number | null = null;
  /** The one event of a send that failed as nobody knows why. */
  #suspect: number | null = null;

  constructor(
    lane: number,
    parts: LaneParts,
    shared: { readonly stops: Stops; readonly transactions: LaneTransactions | null },
  ) {
    const { stops, transactions } = shared;
    this.#lane = lane;
    this.#transactions = transactions;
    this.#parts = parts;
    this.#journal = new LaneJournal(lane, parts);
    this.#stops = stops;
    this.#leftOut = new LeftOut(lane, parts);
    this.#share = parts.governor.share();
    this.#eventsMax = parts.bounds.events;
  }

  /** @throws DRAIN_FAILED when nothing more can be sent for now; the lane's failure is stored */
  async next(work: LogWork): Promise<Progress> {
    const { store, bounds, onStep } = this.#parts;
    const limit = { events: this.#eventsMax, bytes: bounds.bytes };
    const events = store.readBatch(this.#lane, work.cursor, limit);
    const first = events[0];
    if (first === undefined) return 'empty';
    invariant(first.seq > work.cursor, 'a batch starts above the cursor', { lane: this.#lane });
    await onStep('read', this.#lane);
    const batch = await this.#prepare(work, events);
    if (typeof batch === 'string') return batch;
    const mayGo = await this.#share.mayGo(loadOf(batch.records), work.signal);
    if (work.signal.aborted) return 'empty';
    if (!mayGo) return 'narrowed';
    if (!store.holdsLane(work.lease)) return this.#journal.leaseLost(work.lease);
    await onStep('checked', this.#lane);
    const sent = { work, batch, aside: null };
    if (batch.records.length === 0) return this.#settle(sent, { acks: [] });
    return this.#transactions === null
      ? this.#sendBatch(sent, () => this.#send(batch))
      : this.#sendOnce(sent, this.#transactions);
  }

  async #sendBatch(sent: Sent, send: () => Promise<SendOutcome>): Promise<Progress> {
    const outcome = await send();
    await this.#parts.onStep('sent', this.#lane);
    if (outcome.kind === 'acked') return this.#settle(sent, outcome);
    return this.#afterFailure(sent, outcome);
  }

  /** What the transaction passes without sending it is set aside before. */
  async #sendOnce({ work, batch }: Sent, transactions: LaneTransactions): Promise<Progress> {
    const { store, onStep } = this.#parts;
    const aside = this.#leftOut.holdsOf(batch);
    transactions.begin();
    if (aside.length > 0) {
      const isKept = await this.#keepPauses(work, batch);
      const set = () => store.recovery.setAside(work.lease, aside);
      if (!isKept || !(await this.#journal.persist(set)))
        return this.#journal.leaseLost(work.lease);
      await onStep('setAside', this.#lane);
    }
    const id = store.recovery.idOf(this.#lane, batch.lastSeq);
    invariant(id !== null, 'the last event of a batch is in the log', { seq: batch.lastSeq });
    const passed = { from: work.cursor, aside: aside.length };
    const mark = transactions.logMark({ seq: batch.lastSeq, id }, passed);
    return this.#sendBatch({ work, batch, aside }, () => transactions.send(batch.records, mark));
  }

  /** The part of the events that can be dealt with now, never none of them. */
  async #prepare(work: LogWork, events: readonly LoggedEvent[]): Promise<Batch | Progress> {
    const { topics, rules } = this.#parts;
    const { holds, lease } = work;
    const names = new Set(events.map((event) => event.topic));
    const sendable = holds.isEmpty ? names : openOnes(names, work);
    const learnt = await topics.learn(sendable);
    const counts = new Map([...sendable].map((name) => [name, topics.partitionsOf(name)]));
    const partitionsOf = (topic: string) => counts.get(topic) ?? null;
    const batch = buildBatch(events, { partitionsOf, holds }, rules);
    const doubt = batch.faults.find(({ code }) => code === outOfRange)?.event;
    if (doubt !== undefined && this.#doubted !== doubt.seq) {
      this.#doubted = doubt.seq;
      topics.forget(doubt.topic); // it may have grown since it was asked about
      return 'narrowed';
    }
    // What stands before an unknown topic can be sent all the same, and tells if Kafka is away.
    if (batch.lastSeq > 0) return batch;
    const head = events[0] as LoggedEvent;
    if (!(learnt instanceof Map)) return this.#journal.fail(lease, learnt, null);
    // Another lane's failed send may have made the topic unknown again since it was learnt.
    const told = learnt.get(head.topic) ?? forgotten(head.topic);
    return this.#stopOrWait(work, { topic: head.topic, partition: null }, told);
  }

  /** Whether it passes by itself is seen within two seconds; after them its events step aside. */
  async #stopOrWait(
    work: LogWork,
    place: { readonly topic: string; readonly partition: number | null },
    failure: SendFailure,
  ): Promise<Progress> {
    const { topics } = this.#parts;
    topics.forget(place.topic);
    const what = place.partition === null ? place.topic : somePartition;
    if (!isFinal(failure) && !this.#isOldTrouble(what)) {
      return this.#journal.fail(work.lease, failure, null);
    }
    this.#trouble = null;
    const begun = await this.#stops.begin(work, place, failure);
    return begun ? 'narrowed' : this.#journal.leaseLost(work.lease);
  }

  #isOldTrouble(what: string): boolean {
    const nowMs = this.#parts.clock.monotonic();
    if (this.#trouble?.what !== what) this.#trouble = { what, sinceMs: nowMs };
    return nowMs - this.#trouble.sinceMs >= stopAfterMs;
  }

  #send(batch: Batch) {
    const { driver, sendTimeoutMs } = this.#parts;
    this.#sender ??= driver.createSender(`lane-${this.#lane}`);
    return this.#sender.send(batch.records, sendTimeoutMs);
  }

  /** @param answer what Kafka said: that it took them all, or no to the one record of the batch */
  async #settle({ work, batch, aside }: Sent, answer: Answer): Promise<Progress> {
    const { emitter, bounds, onStep, refusals, store } = this.#parts;
    const { lease, via, holds } = work;
    const acked = 'acks' in answer;
    const delivered = acked ? batch.records.length : 0;
    const ledger = acked ? ledgerOf(batch, answer.acks) : [];
    const left = acked ? batch : leftBehind(answer, batch);
    const stepAside = aside ?? this.#leftOut.holdsOf(left);
    const fresh = aside === null ? stepAside : [];
    if (fresh.length > 0 && !(await this.#keepPauses(work, batch))) {
      return this.#journal.leaseLost(lease);
    }
    const settlement = { cursor: batch.lastSeq, delivered, via, holds: fresh, ledger };
    const moved = await this.#journal.persist(() => store.settle(lease, settlement));
    if (!moved) return this.#journal.leaseLost(lease);
    this.#transactions?.settled();
    // Also behind a dead one that blocks nobody the next of its key may be waiting.
    const isHead = (key: TopicKey) => store.held.hasHead(this.#lane, key, refusals);
    for (const { event } of left.faults) holds.follow(event, isHead);
    if (left.faults.length > 0) holds.nextDueAtMs = store.held.nextDueAtMs(this.#lane);
    await onStep('settled', this.#lane);
    this.#eventsMax = Math.min(bounds.events, this.#eventsMax * 2);
    if (delivered > 0) this.#trouble = null;
    this.#leftOut.tell(left.faults, stepAside);
    const count = delivered;
    if (count > 0)
      emitter.emit('delivered', { lane: this.#lane, count, cursor: batch.lastSeq, via });
    return 'sent';
  }

  /** What was set aside for a transaction that is not made is taken back first. */
  async #settleRefused({ work, batch, aside }: Sent, fault: RecordFault): Promise<Progress> {
    const { store } = this.#parts;
    if (aside !== null && aside.length > 0) {
      const takeBack = () => store.recovery.passTo(work.lease, work.cursor);
      if (!(await this.#journal.persist(takeBack))) return this.#journal.leaseLost(work.lease);
    }
    return this.#settle({ work, batch, aside: null }, fault);
  }

  #keepPauses(work: LogWork, batch: Batch): Promise<boolean> {
    const { blocked } = batch;
    if (blocked.length === 0) return Promise.resolve(true);
    return this.#stops.beginPauses(work, new Set(blocked.map(({ topic }) => topic)));
  }

  async #afterFailure(sent: Sent, failure: SendFailure): Promise<Progress> {
    const { work, batch } = sent;
    const { circuit, topics } = this.#parts;
    const { kind, code, message } = failure;
    const refused = kind === 'refused-record' || kind === 'refused-topic';
    if (!refused) topics.forget(failure.topic);
    const [first, ...others] = batch.records;
    invariant(first !== undefined, 'a batch that failed has records', { lane: this.#lane });
    const alone = others.length === 0;
    if (kind === 'refused-topic' && others.every(({ topic }) => topic === first.topic)) {
      return this.#stopOrWait(work, { topic: first.topic, partition: null }, failure);
    }
    if (kind === 'partition-away') return this.#afterAway(work, batch, failure);
    // A bug is perhaps one event's, too: that one is told, and the other lanes are left alone.
    if (refused || kind === 'bug') {
      // Until it is one event: the one at fault, with all before it delivered.
      if (!alone) return this.#halve(batch);
      const event = batch.events[0] as LoggedEvent;
      if (kind === 'bug' && this.#suspect !== event.seq) {
        this.#suspect = event.seq;
        return this.#journal.fail(work.lease, failure, event.seq);
      }
      return this.#settleRefused(sent, { event, code, message, mayDie: kind !== 'bug' });
    }
    if (kind !== 'fenced') circuit.open(failure);
    return this.#journal.fail(work.lease, failure, null);
  }

  /**
   * The other partitions' shares may be written, and would be again at each try: fewer next time,
   * until what stands before the partition that is away is settled.
   */
  async #afterAway(work: LogWork, batch: Batch, failure: SendFailure): Promise<Progress> {
    const [first] = batch.records as [Batch['records'][number]];
    const { topic, partition } = first;
    const same = batch.records.every((one) => one.topic === topic && one.partition === partition);
    if (same) return this.#stopOrWait(work, { topic, partition }, failure);
    const old = this.#isOldTrouble(somePartition);
    this.#halve(batch);
    return old ? 'narrowed' : this.#journal.fail(work.lease, failure, null);
  }

  #halve(batch: Batch): Progress {
    const rows = batch.records.length + batch.blocked.length + batch.faults.length;
    this.#eventsMax = Math.ceil(rows / 2);
    return 'narrowed';
  }

  /** Gives the connection up; the next send connects again. */
  async rest(): Promise<void> {
    const sender = this.#sender;
    this.#sender = null;
    await sender?.close();
  }
}

const somePartition = 'a partition';

/** Topics that no stop and no pause keeps. */
function openOnes(names: ReadonlySet<string>, { holds }: Owned): Set<string> {
  const open = [...names].filter((name) => !holds.isPaused(name) && holds.topicStop(name) === null);
  return new Set(open);
}

/** Nothing that passes within two seconds. */
function isFinal({ kind, code }: SendFailure): boolean {
  return kind === 'refused-topic' && code !== 'UNKNOWN_TOPIC_OR_PARTITION';
}

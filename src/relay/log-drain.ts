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
import type { Hold } from '../outbox/held.ts';
import type { PartitionAck, Sender, SendFailure } from '../sink/driver.ts';
import {
  type Batch,
  type BlockedEvent,
  buildBatch,
  loadOf,
  outOfRange,
  type RecordFault,
} from './batch.ts';
import type { GovernorShare } from './governor.ts';
import { Holds } from './holds.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import { ledgerOf } from './ledger.ts';
import { refuse, stopAfterMs } from './refusal.ts';
import type { Owned, Stops } from './stops.ts';

/** `narrowed`: nothing was settled, and the next try is another one. */
export type Progress = 'sent' | 'narrowed' | 'empty' | 'leaseLost';

export interface LogWork extends Owned {
  readonly cursor: number;
  readonly via: 'job' | 'sweep';
  readonly signal: AbortSignal;
}

type Answer = { readonly acks: readonly PartitionAck[] } | RecordFault;

export class LogDrain {
  readonly #lane: number;
  readonly #parts: LaneParts;
  readonly #journal: LaneJournal;
  readonly #stops: Stops;
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

  constructor(lane: number, parts: LaneParts, stops: Stops) {
    this.#lane = lane;
    this.#parts = parts;
    this.#journal = new LaneJournal(lane, parts);
    this.#stops = stops;
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
    if (batch.records.length === 0) return this.#settle(work, batch, { acks: [] });
    const outcome = await this.#send(batch);
    await onStep('sent', this.#lane);
    if (outcome.kind === 'acked') return this.#settle(work, batch, outcome);
    return this.#afterFailure(work, batch, outcome);
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
  async #settle(work: LogWork, batch: Batch, answer: Answer): Promise<Progress> {
    const { emitter, bounds, onStep, store } = this.#parts;
    const { lease, via, holds } = work;
    const acked = 'acks' in answer;
    const delivered = acked ? batch.records.length : 0;
    const ledger = acked ? ledgerOf(batch, answer.acks) : [];
    const { faults, blocked } = acked ? batch : behind(answer, batch);
    const stepAside = [...blocked.map(toHold), ...faults.map((fault) => this.#refuse(fault))];
    if (stepAside.length > 0 && !(await this.#keepPauses(work, batch))) {
      return this.#journal.leaseLost(lease);
    }
    const settlement = { cursor: batch.lastSeq, delivered, via, holds: stepAside, ledger };
    const moved = await this.#journal.persist(() => store.settle(lease, settlement));
    if (!moved) return this.#journal.leaseLost(lease);
    const heads = new Set(stepAside.flatMap(({ seq, refusal }) => (refusal?.blocks ? [seq] : [])));
    for (const { event } of faults) if (heads.has(event.seq)) holds.addHead(event);
    if (faults.length > 0) holds.nextDueAtMs = store.held.nextDueAtMs(this.#lane);
    await onStep('settled', this.#lane);
    this.#eventsMax = Math.min(bounds.events, this.#eventsMax * 2);
    if (delivered > 0) this.#trouble = null;
    this.#tell(faults, stepAside);
    const count = delivered;
    if (count > 0)
      emitter.emit('delivered', { lane: this.#lane, count, cursor: batch.lastSeq, via });
    return 'sent';
  }

  #keepPauses(work: LogWork, batch: Batch): Promise<boolean> {
    const { blocked } = batch;
    if (blocked.length === 0) return Promise.resolve(true);
    return this.#stops.beginPauses(work, new Set(blocked.map(({ topic }) => topic)));
  }

  #tell(faults: readonly RecordFault[], holds: readonly Hold[]): void {
    const { emitter } = this.#parts;
    const lane = this.#lane;
    for (const { event, code, message } of faults) {
      const dead = holds.find(({ seq }) => seq === event.seq)?.refusal?.dead === true;
      const { seq, topic } = event;
      emitter.emit('refused', { lane, seq, topic, code, message, attempts: 1, dead });
    }
  }

  #refuse({ event, code, message, mayDie = true }: RecordFault): Hold {
    const { clock, refusals, store } = this.#parts;
    const { seq } = event;
    const refused = { seq, code, message, attempts: 0, mayDie, atMs: clock.now() };
    return { seq, partition: null, refusal: refuse(refused, store.held.readBudget(seq), refusals) };
  }

  async #afterFailure(work: LogWork, batch: Batch, failure: SendFailure): Promise<Progress> {
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
      return this.#settle(work, batch, { event, code, message, mayDie: kind !== 'bug' });
    }
    circuit.open(failure);
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

/** What cannot be sent as it stands, of the key of a record that was refused, waits behind it. */
function behind(refused: RecordFault, { blocked, faults }: Batch) {
  const head = Holds.none();
  head.addHead(refused.event);
  const waits = faults.filter(({ event }) => head.hasHead(event));
  return {
    faults: [refused, ...faults.filter((fault) => !waits.includes(fault))],
    blocked: [...blocked, ...waits.map(({ event }) => ({ ...event, partition: null }))],
  };
}

const toHold = ({ seq, partition }: BlockedEvent): Hold => ({ seq, partition, refusal: null });

/** Nothing that passes within two seconds. */
function isFinal({ kind, code }: SendFailure): boolean {
  return kind === 'refused-topic' && code !== 'UNKNOWN_TOPIC_OR_PARTITION';
}

function forgotten(topic: string): SendFailure {
  const message = `what was known about ${topic} is out of date`;
  return { kind: 'partition-away', code: 'TOPIC_FORGOTTEN', message, topic, cause: null };
}

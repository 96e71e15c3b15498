/**
 * Held events whose time has come: a stop's one event that asks whether it is over, what an ended
 * stop has set aside, refused events with what waits behind them, and copies of dead ones.
 *
 * What a kill -9 leaves between any two steps:
 *   heldMarked … heldSent    : nothing has left; the next owner clears the stale marks.
 *   heldSent … heldSettled   : Kafka has the events and they are still held: sent once more,
 *                              duplicates, in their order, because nothing of a key is sent before
 *                              what is held of it.
 *   heldSettled …            : delivered events are gone from the held ones, in one transaction
 *                              with the next head of their key.
 */
import type { HeldEvent, LedgerEntry, Stop, TopicKey } from '../outbox/held.ts';
import type { SendFailure } from '../sink/driver.ts';
import { type Batch, buildBatch, outOfRange } from './batch.ts';
import { DeadLetters } from './dead-letters.ts';
import type { HeldSends, HeldWork } from './held-sends.ts';
import { type HeldGroup, type HeldSent, HeldSetbacks } from './held-setbacks.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import { ledgerOf } from './ledger.ts';
import type { Progress } from './log-drain.ts';
import type { Stops } from './stops.ts';

export class HeldDrain {
  readonly #lane: number;
  readonly #parts: LaneParts;
  readonly #journal: LaneJournal;
  readonly #stops: Stops;
  readonly #sends: HeldSends;
  readonly #setbacks: HeldSetbacks;
  readonly #deadLetters: DeadLetters;
  /** Events a group may have now: halves when a record is refused, doubles when one is sent. */
  #eventsMax: number;
  /** How far an ended stop's events were gone through. */
  readonly #passed = new Map<string, number>();
  #turn = 0;

  constructor(parts: LaneParts, stops: Stops, sends: HeldSends) {
    const { lane } = sends;
    this.#lane = lane;
    this.#parts = parts;
    this.#journal = new LaneJournal(lane, parts);
    this.#stops = stops;
    this.#sends = sends;
    this.#setbacks = new HeldSetbacks(parts, stops, sends);
    this.#deadLetters = new DeadLetters(parts, sends);
    this.#eventsMax = parts.bounds.events;
  }

  /**
   * Deals with one group that is due. `empty`: none is.
   * @throws DRAIN_FAILED in an outage
   */
  async next(work: HeldWork): Promise<Progress> {
    const { clock, store } = this.#parts;
    const { nextDueAtMs } = work.holds;
    if (nextDueAtMs === null || nextDueAtMs > clock.now()) return 'empty';
    const progress = await this.#oneOf(work);
    work.holds.nextDueAtMs = store.held.nextDueAtMs(this.#lane);
    return progress;
  }

  /** In turn, so that a long backlog of one kind keeps no other one waiting. */
  async #oneOf(work: HeldWork): Promise<Progress> {
    const kinds = [
      () => this.#ask(work),
      () => this.#drainStop(work),
      () => this.#retry(work),
      () => this.#deadLetters.next(work),
    ];
    for (let tried = 0; tried < kinds.length; tried += 1) {
      const kind = kinds[this.#turn++ % kinds.length];
      const progress = (await kind?.()) ?? 'empty';
      if (progress !== 'empty') return progress;
    }
    return 'empty';
  }

  /** Asks with one event whether a stop is over. */
  async #ask(work: HeldWork): Promise<Progress> {
    const { clock, store, bounds } = this.#parts;
    const nowMs = clock.now();
    const stop = work.holds.stops.find(
      (one) => !one.draining && one.nextAttemptAtMs !== null && one.nextAttemptAtMs <= nowMs,
    );
    if (stop === undefined) return 'empty';
    const { topic, partition } = stop;
    const range = { lane: this.#lane, topic, partition, afterSeq: 0 };
    const events = store.held.readStopped(range, { ...bounds, events: askRowsMax });
    const first = events.find((event) => !work.holds.hasHead(event));
    if (first !== undefined) return this.#send(work, { events: [first], stop });
    // Nothing is left to ask with: the next event that comes will.
    return this.#over(work, stop);
  }

  async #over(work: HeldWork, stop: Stop): Promise<Progress> {
    this.#passed.delete(nameOf(stop));
    const done = await this.#stops.drain(work, stop);
    return done ? 'narrowed' : this.#journal.leaseLost(work.lease);
  }

  /** The next events of a stop that is over; behind the last of them it ends. */
  async #drainStop(work: HeldWork): Promise<Progress> {
    const { store, bounds } = this.#parts;
    const over = work.holds.stops.filter((one) => one.draining && !work.holds.isPaused(one.topic));
    const stop = over[this.#turn % Math.max(1, over.length)];
    if (stop === undefined) return 'empty';
    const { topic, partition } = stop;
    const afterSeq = this.#passed.get(nameOf(stop)) ?? 0;
    const range = { lane: this.#lane, topic, partition, afterSeq };
    const limit = { events: this.#eventsMax, bytes: bounds.bytes };
    const events = store.held.readStopped(range, limit);
    const last = events.at(-1);
    if (last === undefined) {
      this.#passed.delete(nameOf(stop));
      const ended = await this.#stops.end(work, stop);
      return ended ? 'narrowed' : this.#journal.leaseLost(work.lease);
    }
    // Those behind a head of their key go when it goes.
    const free = events.filter((event) => !work.holds.hasHead(event));
    if (free.length === 0) {
      this.#passed.set(nameOf(stop), last.seq);
      return 'narrowed';
    }
    return this.#send(work, { events: free, stop });
  }

  /** Heads that are due: one that was refused alone, new heads with what waits behind them. */
  async #retry(work: HeldWork): Promise<Progress> {
    const { clock, store, bounds } = this.#parts;
    const limit = { events: this.#eventsMax, bytes: bounds.bytes };
    const due = store.held.readDue(this.#lane, clock.now(), limit);
    const { stay, go } = this.#sortOut(work, due);
    if (stay.length > 0) return this.#setbacks.defer(work, stay);
    const [first] = go;
    if (first === undefined) return 'empty';
    if (first.attempts > 0) return this.#send(work, { events: [first], stop: null });
    const events: HeldEvent[] = [];
    for (const head of go) {
      const left = this.#eventsMax - events.length - 1;
      if (head.attempts > 0 || left < 0) break;
      events.push(head);
      if (head.orderKey === null || left === 0) continue;
      events.push(...store.held.readBehind(head, { events: left, bytes: bounds.bytes }));
    }
    return this.#send(work, { events, stop: null });
  }

  /** Heads of a topic that is stopped or paused wait with it. */
  #sortOut({ holds }: HeldWork, due: readonly HeldEvent[]) {
    const waits = ({ topic }: HeldEvent) => {
      if (holds.isPaused(topic)) return true;
      return holds.stops.some((stop) => stop.topic === topic && !stop.draining);
    };
    return { stay: due.filter(waits), go: due.filter((event) => !waits(event)) };
  }

  async #send(work: HeldWork, group: HeldGroup): Promise<Progress> {
    const { store, topics, rules, onStep } = this.#parts;
    const names = new Set(group.events.map(({ topic }) => topic));
    // It may have grown since it was asked about.
    for (const { topic, code } of group.events) if (code === outOfRange) topics.forget(topic);
    const learnt = await topics.learn(names);
    const state = { partitionsOf: (name: string) => topics.partitionsOf(name), holds: null };
    const batch = buildBatch(group.events, state, rules);
    const [fault] = batch.faults;
    if (batch.lastSeq === 0) return this.#afterQuestion(work, group, learnt);
    if (fault !== undefined) {
      // Those before it first: one of its key must not come to wait behind it.
      const before = group.events.slice(0, group.events.indexOf(fault.event as HeldEvent));
      if (before.length > 0) return this.#send(work, { ...group, events: before });
      return this.#setbacks.refuse(work, fault);
    }
    const mayGo = await this.#sends.mayGo(batch.records, work.signal);
    if (work.signal.aborted) return 'empty';
    if (!mayGo) return 'narrowed';
    const seqs = batch.events.map(({ seq }) => seq);
    const sendNo = await store.held.beginSend(work.lease, seqs);
    if (sendNo === 'leaseLost') return this.#journal.leaseLost(work.lease);
    if (sendNo === 'changed') return 'narrowed';
    await onStep('heldMarked', this.#lane);
    const outcome = await this.#sends.send(batch.records, sendNo, bySeq(batch.events));
    await onStep('heldSent', this.#lane);
    if (outcome.kind === 'acked') {
      return this.#settle({ work, group, batch }, ledgerOf(batch, outcome.acks));
    }
    const progress = await this.#setbacks.after({ work, group, batch }, outcome);
    return progress === 'tooMany' ? this.#halve(batch) : progress;
  }

  async #settle(
    { work, group, batch }: HeldSent,
    ledger: readonly LedgerEntry[],
  ): Promise<Progress> {
    const { bounds, emitter, store } = this.#parts;
    const { stop } = group;
    const delivered = batch.events.map(({ seq }) => seq);
    const progress = await this.#sends.change(work, { delivered, ledger });
    if (progress === 'leaseLost') return progress;
    this.#eventsMax = Math.min(bounds.events, this.#eventsMax * 2);
    if (stop === null) this.#freeKeys(work, batch.events);
    else this.#passed.set(nameOf(stop), Math.max(...delivered));
    const lane = this.#lane;
    const { cursor } = store.readLane(lane);
    emitter.emit('delivered', { lane, count: delivered.length, cursor, via: work.via });
    if (stop === null || stop.draining) return progress;
    return this.#over(work, stop);
  }

  /** A key without a head any more is free: what comes of it goes straight on. */
  #freeKeys({ holds }: HeldWork, events: readonly HeldEvent[]): void {
    const { store, refusals } = this.#parts;
    const isHead = (key: TopicKey) => store.held.hasHead(this.#lane, key, refusals);
    for (const event of events) if (holds.hasHead(event)) holds.follow(event, isHead);
  }

  #halve(batch: Batch): Progress {
    this.#eventsMax = Math.ceil(batch.records.length / 2);
    return 'narrowed';
  }

  /** Nobody knows yet where the first of the events would go. */
  #afterQuestion(
    work: HeldWork,
    group: HeldGroup,
    learnt: ReadonlyMap<string, SendFailure> | SendFailure,
  ): Promise<Progress> {
    if ('kind' in learnt) return this.#journal.fail(work.lease, learnt, null);
    const topic = group.events[0]?.topic as string;
    const told = learnt.get(topic);
    if (told === undefined) return Promise.resolve('narrowed'); // forgotten meanwhile: ask again
    const events = group.events.filter((event) => event.topic === topic);
    return this.#setbacks.stillStopped(work, { ...group, events }, told);
  }
}

/** An event behind a head cannot ask; so many are looked through for one that can. */
const askRowsMax = 100;

const bySeq = (events: readonly HeldEvent[]) => events.toSorted((a, b) => a.seq - b.seq);

const nameOf = ({ topic, partition }: Pick<Stop, 'topic' | 'partition'>) =>
  `${topic}[${partition}]`;

/** What becomes of held events that could not be sent: they wait on, or use up an attempt. */
import type { HeldEvent, Stop } from '../outbox/held.ts';
import type { SendFailure } from '../sink/driver.ts';
import type { Batch, RecordFault } from './batch.ts';
import type { HeldSends, HeldWork } from './held-sends.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import type { Progress } from './log-drain.ts';
import { refuse, slowestMs } from './refusal.ts';
import type { Stops } from './stops.ts';

/** One send's worth of held events, and whose they are. */
export interface HeldGroup {
  readonly events: readonly HeldEvent[];
  /** The stop that they wait behind; `null`: heads and what follows them. */
  readonly stop: Stop | null;
}

export interface HeldSent {
  readonly work: HeldWork;
  readonly group: HeldGroup;
  readonly batch: Batch<HeldEvent>;
}

export class HeldSetbacks {
  readonly #parts: LaneParts;
  readonly #journal: LaneJournal;
  readonly #stops: Stops;
  readonly #sends: HeldSends;
  /** The first event of a send that failed though Kafka answers. */
  #doubted: number | null = null;

  constructor(parts: LaneParts, stops: Stops, sends: HeldSends) {
    this.#parts = parts;
    this.#journal = new LaneJournal(sends.lane, parts);
    this.#stops = stops;
    this.#sends = sends;
  }

  defer(work: HeldWork, events: readonly HeldEvent[]): Promise<Progress> {
    const { clock, refusals } = this.#parts;
    const untilMs = clock.now() + slowestMs(refusals.retry);
    const seqs = events.map(({ seq }) => seq);
    return this.#sends.change(work, { deferred: { state: 'retrying', seqs, untilMs } });
  }

  async after(sent: HeldSent, failure: SendFailure): Promise<Progress | 'tooMany'> {
    const { work, group, batch } = sent;
    const { topics } = this.#parts;
    const { kind, code, message } = failure;
    topics.forget(failure.topic);
    const [first, ...others] = batch.events as [HeldEvent, ...HeldEvent[]];
    if (kind === 'refused-topic' || kind === 'partition-away') {
      const same = group.stop !== null || others.every(({ topic }) => topic === first.topic);
      if (same) return this.stillStopped(work, { ...group, events: batch.events }, failure);
      return 'tooMany';
    }
    if (kind === 'refused-record' || kind === 'bug') {
      if (others.length > 0) return 'tooMany';
      return this.refuse(work, { event: first, code, message, mayDie: kind !== 'bug' });
    }
    return this.#afterOutage(sent, failure);
  }

  async #afterOutage({ work, group, batch }: HeldSent, failure: SendFailure): Promise<Progress> {
    const { circuit } = this.#parts;
    const first = batch.events[0] as HeldEvent;
    // Of this lane alone: somebody else has it now.
    if (failure.kind === 'fenced') return this.#journal.fail(work.lease, failure, null);
    circuit.open(failure);
    // Perhaps committed: the marks stay until Kafka has told.
    if (this.#sends.inDoubt) return this.#journal.fail(work.lease, failure, null);
    const away = await circuit.pass();
    if (away !== null) {
      // An operator need not wait for the end of an outage.
      await this.#sends.change(work, {});
      return this.#journal.fail(work.lease, failure, null);
    }
    // Kafka answers: it may have been a moment's trouble. The second time only these wait.
    if (this.#doubted === first.seq) {
      return this.stillStopped(work, { ...group, events: batch.events }, failure);
    }
    this.#doubted = first.seq;
    return this.#sends.change(work, {});
  }

  async stillStopped(work: HeldWork, group: HeldGroup, failure: SendFailure): Promise<Progress> {
    if (group.stop === null) return this.defer(work, group.events);
    const begun = await this.#stops.begin(work, group.stop, failure);
    return begun ? 'narrowed' : this.#journal.leaseLost(work.lease);
  }

  async refuse(work: HeldWork, fault: RecordFault): Promise<Progress> {
    const { clock, emitter, refusals, store } = this.#parts;
    const { code, message, mayDie = true } = fault;
    const event = fault.event as HeldEvent;
    const { seq, topic } = event;
    const before = { seq, code, message, attempts: event.attempts, mayDie };
    const refusal = refuse({ ...before, atMs: clock.now() }, event, refusals);
    const progress = await this.#sends.change(work, { refusal });
    if (progress === 'leaseLost') return progress;
    work.holds.follow(event, (key) => store.held.hasHead(this.#sends.lane, key, refusals));
    const { dead } = refusal;
    const attempts = event.attempts + 1;
    emitter.emit('refused', { lane: this.#sends.lane, seq, topic, code, message, attempts, dead });
    return progress;
  }
}

/**
 * Copies of dead events for the dead-letter topic, at least once; the events themselves stay where
 * they are. A copy says in its headers where it comes from, why, since when and how often it was
 * refused.
 */
import type { Header } from '../core/event.ts';
import type { HeldEvent } from '../outbox/held.ts';
import type { SendFailure, SendOutcome, SinkRecord } from '../sink/driver.ts';
import { type BatchRules, buildRecord, type TopicPartitions } from './batch.ts';
import type { HeldSends, HeldWork } from './held-sends.ts';
import { LaneJournal, type LaneParts } from './lane-parts.ts';
import type { Progress } from './log-drain.ts';
import { slowestMs } from './refusal.ts';
import { forgotten } from './topics.ts';

export class DeadLetters {
  readonly #parts: LaneParts;
  readonly #sends: HeldSends;
  readonly #journal: LaneJournal;
  /** Copies at once: halves when one is refused, doubles when they are taken. */
  #eventsMax: number;

  constructor(parts: LaneParts, sends: HeldSends) {
    this.#parts = parts;
    this.#sends = sends;
    this.#journal = new LaneJournal(sends.lane, parts);
    this.#eventsMax = copiesMax;
  }

  /** @throws DRAIN_FAILED in an outage */
  async next(work: HeldWork): Promise<Progress> {
    const { bounds, clock, store, refusals } = this.#parts;
    const limit = { events: this.#eventsMax, bytes: bounds.bytes };
    const dead = store.held.readUncopied(this.#sends.lane, clock.now(), limit);
    if (dead.length === 0) return 'empty';
    const { deadLetterTopic } = refusals;
    if (deadLetterTopic === null) return this.#next(work, dead, null);
    if (!store.holdsLane(work.lease)) return this.#journal.leaseLost(work.lease);
    const outcome = await this.#send(work, dead, deadLetterTopic);
    if (outcome === null) return work.signal.aborted ? 'empty' : 'narrowed';
    if (outcome.kind === 'acked') {
      this.#eventsMax = Math.min(copiesMax, this.#eventsMax * 2);
      return this.#next(work, dead, null);
    }
    this.#eventsMax = Math.ceil(dead.length / 2);
    // Kafka, or that topic, is away: no copy holds up an event.
    const isAway = outcome.kind === 'outage' || outcome.kind === 'unknown';
    if (dead.length > 1 && !isAway) return 'narrowed';
    if (!isAway) this.#warn(dead[0] as HeldEvent, outcome);
    const againMs = slowestMs(refusals.retry);
    return this.#next(work, dead, clock.now() + againMs);
  }

  #next(work: HeldWork, dead: readonly HeldEvent[], untilMs: number | null): Promise<Progress> {
    const seqs = dead.map(({ seq }) => seq);
    return this.#sends.change(work, { deferred: { state: 'dead', seqs, untilMs } });
  }

  /** `null`: their turn has not come, or it has and time has passed. */
  async #send(
    { signal }: HeldWork,
    dead: readonly HeldEvent[],
    topic: string,
  ): Promise<SendOutcome | null> {
    const { topics, rules } = this.#parts;
    const learnt = await topics.learn(new Set([topic]));
    const partitions = topics.partitionsOf(topic);
    if (partitions !== null) {
      const copies = dead.map((event) => copyOf(event, { topic, partitions, rules }));
      return (await this.#sends.mayGo(copies, signal)) ? this.#sends.sendCopies(copies) : null;
    }
    return 'kind' in learnt ? (learnt as SendFailure) : (learnt.get(topic) ?? forgotten(topic));
  }

  #warn({ seq }: HeldEvent, { code, message, cause }: SendFailure): void {
    const why = `${code}: ${message}`;
    const told = `event ${seq} is dead, and its copy cannot be written: ${why}`;
    this.#parts.emitter.emit('warning', { code: 'DEAD_LETTER_REFUSED', message: told, cause });
  }
}

/** Small: a dead event may be as large as an event can be. */
const copiesMax = 100;

interface Destination {
  readonly topic: string;
  readonly partitions: TopicPartitions;
  readonly rules: BatchRules;
}

/** The record of a copy: the event's own headers, and what is known of its end. Pure. */
function copyOf(event: HeldEvent, { topic, partitions, rules }: Destination): SinkRecord {
  const { seq, key } = event;
  const partition = rules.partitioner({ key, seq, explicit: null }, partitions.forKeys);
  // Its own partition may be what was refused; headers that cannot be read are left out.
  const built = buildRecord({ ...event, partition: 0 }, { forKeys: 1, now: 1 }, rules);
  const own = 'code' in built ? [] : built.headers;
  const headers = [...own, ...causeOf(event)];
  const { value, createdAtMs: timestampMs } = event;
  return { topic, partition, key, value, headers, timestampMs };
}

function causeOf(event: HeldEvent): Header[] {
  const facts: readonly (readonly [string, string | number | null])[] = [
    ['outbox-dead-topic', event.topic],
    ['outbox-dead-partition', event.partition],
    ['outbox-dead-seq', event.seq],
    ['outbox-dead-code', event.code],
    ['outbox-dead-message', event.message],
    ['outbox-dead-attempts', event.attempts],
    ['outbox-dead-first-failed-at', event.firstFailedAtMs],
    ['outbox-dead-last-failed-at', event.lastFailedAtMs],
  ];
  return facts.flatMap(([name, value]): Header[] =>
    value === null ? [] : [[name, Buffer.from(String(value))]],
  );
}

/**
 * What may not pass in one lane, in memory: keys behind a held event of theirs, stopped and paused
 * topics. Only the lane's drain adds to it; after an operator's act it is read again.
 */
import { orderKeyOf } from '../core/lane.ts';
import type { LaneHolds, Stop, TopicKey } from '../outbox/held.ts';

interface Passing {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly partition: number | null;
}

export class Holds {
  readonly #heads = new Map<string, Set<string>>();
  readonly #stops = new Map<string, Stop[]>();
  readonly #paused: ReadonlySet<string>;
  /** When the next held event or stop is due, wall time; `null`: none waits for a time. */
  nextDueAtMs: number | null;

  constructor({ heads, stops, pausedTopics, nextDueAtMs }: LaneHolds) {
    for (const { topic, orderKey } of heads) this.#add(topic, orderKey);
    for (const stop of stops) this.setStop(stop);
    this.#paused = new Set(pausedTopics);
    this.nextDueAtMs = nextDueAtMs;
  }

  static none(): Holds {
    return new Holds({ heads: [], stops: [], pausedTopics: [], nextDueAtMs: null });
  }

  /** Nothing is in the way of any event. */
  get isEmpty(): boolean {
    return this.#heads.size === 0 && this.#stops.size === 0 && this.#paused.size === 0;
  }

  get stops(): Stop[] {
    return [...this.#stops.values()].flat();
  }

  isPaused(topic: string): boolean {
    return this.#paused.has(topic);
  }

  /** A stop of the whole topic, draining ones too. */
  topicStop(topic: string): Stop | null {
    return this.#stops.get(topic)?.find(({ partition }) => partition === null) ?? null;
  }

  /** The stop that keeps a record of this partition, if there is one; draining ones too. */
  stopOf(topic: string, partition: number): Stop | null {
    const stops = this.#stops.get(topic) ?? [];
    return stops.find((stop) => stop.partition === null || stop.partition === partition) ?? null;
  }

  setStop(stop: Stop): void {
    const others = this.#others(stop);
    this.#stops.set(stop.topic, [...others, stop]);
  }

  endStop(stop: Pick<Stop, 'topic' | 'partition'>): void {
    const others = this.#others(stop);
    if (others.length === 0) this.#stops.delete(stop.topic);
    else this.#stops.set(stop.topic, others);
  }

  #others({ topic, partition }: Pick<Stop, 'topic' | 'partition'>): Stop[] {
    return (this.#stops.get(topic) ?? []).filter((stop) => stop.partition !== partition);
  }

  /** Whether an event of its key waits in front of it. */
  hasHead(event: Passing): boolean {
    const keys = this.#heads.get(event.topic);
    if (keys === undefined) return false;
    const orderKey = orderKeyOf(event);
    return orderKey !== null && keys.has(nameOf(orderKey));
  }

  /** Has a head of its key exactly when the file has one. */
  follow(event: Passing, isHead: (key: TopicKey) => boolean): void {
    const orderKey = orderKeyOf(event);
    if (orderKey === null) return;
    if (isHead({ topic: event.topic, orderKey: Buffer.from(orderKey) })) this.addHead(event);
    else this.removeHead(event);
  }

  addHead(event: Passing): void {
    const orderKey = orderKeyOf(event);
    if (orderKey !== null) this.#add(event.topic, orderKey);
  }

  removeHead(event: Passing): void {
    const orderKey = orderKeyOf(event);
    if (orderKey !== null) this.#heads.get(event.topic)?.delete(nameOf(orderKey));
    if (this.#heads.get(event.topic)?.size === 0) this.#heads.delete(event.topic);
  }

  #add(topic: string, orderKey: Uint8Array): void {
    let keys = this.#heads.get(topic);
    if (keys === undefined) {
      keys = new Set();
      this.#heads.set(topic, keys);
    }
    keys.add(nameOf(orderKey));
  }
}

/** The bytes as a string, one to one. */
const nameOf = (orderKey: Uint8Array) => Buffer.from(orderKey).toString('latin1');

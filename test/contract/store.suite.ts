/** What every store promises (src/outbox/store.ts). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeHeaders, type EncodedEvent } from '../../src/core/event.ts';
import { laneOf } from '../../src/core/lane.ts';
import type { EventAppender, Lease, OutboxStore } from '../../src/outbox/store.ts';
import { FakeClock } from '../support/clock.ts';
import { encodedEvent } from '../support/encoded.ts';

export interface StoreSubject {
  readonly appender: EventAppender;
  /** Another connection to the same outbox. */
  openStore(): OutboxStore;
  close(): void;
}

export const lanes = 4;
const unbounded = { events: 1_000, bytes: 1_000_000 };

export function storeContract(open: (clock: FakeClock) => StoreSubject): void {
  let clock: FakeClock;
  let subject: StoreSubject;
  let store: OutboxStore;

  beforeEach(() => {
    clock = new FakeClock(1_000);
    subject = open(clock);
    store = subject.openStore();
  });

  afterEach(() => {
    store.close();
    subject.close();
  });

  const inLane = (lane: number, given: Partial<EncodedEvent> = {}): EncodedEvent => {
    for (let number = 0; ; number += 1) {
      const event = encodedEvent({ key: Buffer.from(`key ${number}`), ...given });
      if (laneOf(event, lanes) === lane) return event;
    }
  };
  const claim = async (lane: number, owner = 'relay-1'): Promise<Lease> => {
    const lease = await store.claimLane(lane, owner, store.readLane(lane).fence);
    if (lease === null) throw new Error('the lane was not free');
    return lease;
  };
  const failure = { kind: 'outage', code: 'ECONNREFUSED', message: 'm', topic: null, seq: null };

  describe('appending', () => {
    it('gives each event the next seq and keeps it as it was', async () => {
      const headers = [
        ['a', Buffer.from([0, 255])],
        ['a', Buffer.from('')],
      ] as const;
      const event = encodedEvent({
        key: Buffer.from([0, 200]),
        value: null,
        headers,
        partition: 7,
      });
      const first = subject.appender.append([event]);
      const second = await store.appendAll([encodedEvent(), encodedEvent()]);
      expect([...first, ...second].map(({ seq }) => seq)).toEqual([1, 2, 3]);
      const lane = laneOf(event, lanes);
      const stored = store.readBatch(lane, 0, unbounded).find(({ seq }) => seq === 1);
      const { id, topic, key, value, partition, createdAtMs } = event;
      expect(stored).toMatchObject({ seq: 1, lane, id, topic, key, value, partition, createdAtMs });
      expect(decodeHeaders(stored?.headers ?? null)).toEqual(headers);
    });

    it('tells empty bytes from none', () => {
      subject.appender.append([inLane(0, { value: Buffer.alloc(0) }), inLane(0, { value: null })]);
      const values = store.readBatch(0, 0, unbounded).map(({ value }) => value);
      expect(values).toEqual([Buffer.alloc(0), null]);
    });

    it('stores all events of a call or none', async () => {
      const some = [encodedEvent(), encodedEvent({ topic: '' })];
      await expect(store.appendAll(some)).rejects.toMatchObject({ code: 'EVENT_INVALID' });
      expect(() => subject.appender.append(some)).toThrow(/refused the event/);
      expect(store.summary()).toMatchObject({ accepted: 0, pending: 0 });
    });

    it('rejects a bad event alone where callers share a commit', async () => {
      const events = [encodedEvent(), encodedEvent({ topic: '' }), encodedEvent()];
      const [first, bad, last] = await store.appendEach(events);
      expect(first).toMatchObject({ status: 'stored', seq: 1 });
      expect(bad).toMatchObject({ code: 'EVENT_INVALID' });
      expect(last).toMatchObject({ status: 'stored', seq: 2 });
    });

    it('answers a dedupe key with the first event, until it expires', async () => {
      const dedupe = { key: 'order-1', expiresAtMs: 5_000 };
      const [first] = await store.appendAll([encodedEvent({ dedupe })]);
      const later = { dedupe: { ...dedupe, expiresAtMs: 9_000 } };
      const [again] = subject.appender.append([encodedEvent({ ...later, createdAtMs: 4_999 })]);
      expect(again).toEqual({ ...first, status: 'duplicate' });
      const [anew] = await store.appendAll([encodedEvent({ ...later, createdAtMs: 5_000 })]);
      expect(anew).toMatchObject({ status: 'stored', seq: 2 });
    });

    it('remembers a dedupe key of a pruned event, and forgets an expired one', async () => {
      const event = inLane(1, { dedupe: { key: 'order-1', expiresAtMs: 5_000 } });
      const [first] = subject.appender.append([event]);
      const lease = await claim(1);
      await store.settle(lease, { cursor: 1, delivered: 1, via: 'job' });
      expect(await store.prune(2_000, 10)).toBe(1);
      expect(subject.appender.append([event])).toEqual([{ ...first, status: 'duplicate' }]);
      await clock.advance(4_000);
      await store.prune(0, 10);
      expect(subject.appender.append([event])).toMatchObject([{ status: 'stored', seq: 2 }]);
    });
  });

  describe('reading', () => {
    it('sees a change by another connection, and not its own', async () => {
      const before = store.changeMark();
      await store.appendAll([encodedEvent()]);
      expect(store.changeMark()).toBe(before);
      subject.appender.append([encodedEvent()]);
      expect(store.changeMark()).not.toBe(before);
    });

    it('names the lanes with events above their cursor', async () => {
      expect(store.lanesWithWork()).toEqual([]);
      subject.appender.append([inLane(3), inLane(1), inLane(1)]);
      expect(store.lanesWithWork()).toEqual([1, 3]);
      await store.settle(await claim(3), { cursor: 1, delivered: 1, via: 'sweep' });
      await store.settle(await claim(1), { cursor: 2, delivered: 1, via: 'sweep' });
      expect(store.lanesWithWork()).toEqual([1]);
    });

    it('gives a lane’s events in order, within the bounds, and always one', () => {
      const value = Buffer.alloc(100);
      const events = [2, 0, 2, 2].map((lane) => inLane(lane, { value }));
      subject.appender.append(events);
      const seqs = (afterSeq: number, bounds = unbounded) =>
        store.readBatch(2, afterSeq, bounds).map(({ seq }) => seq);
      expect(seqs(0)).toEqual([1, 3, 4]);
      expect(seqs(1)).toEqual([3, 4]);
      expect(seqs(0, { events: 2, bytes: 1_000_000 })).toEqual([1, 3]);
      expect(seqs(0, { events: 10, bytes: 250 })).toEqual([1, 3]);
      expect(seqs(0, { events: 10, bytes: 1 })).toEqual([1]);
      expect(seqs(4)).toEqual([]);
    });

    it('sums up without a relay and with one', async () => {
      subject.appender.append([inLane(0, { createdAtMs: 500 }), inLane(1), inLane(1)]);
      expect(store.summary()).toMatchObject({
        identity: { lanes },
        accepted: 3,
        delivered: 0,
        pending: 3,
        held: 0,
        oldestPendingAtMs: 500,
        heartbeat: null,
      });
      await store.settle(await claim(0), { cursor: 1, delivered: 1, via: 'job' });
      const beat = { owner: 'r', phase: 'running', circuit: 'open', ratePerSecond: 2.5 } as const;
      await store.writeHeartbeat({ ...beat, atMs: 7 });
      expect(store.summary()).toMatchObject({
        delivered: 1,
        pending: 2,
        oldestPendingAtMs: 1_000,
        heartbeat: { ...beat, atMs: 7 },
      });
    });

    it('keeps a topic’s partition count', async () => {
      expect(store.readPartitions('orders')).toBeNull();
      await store.rememberPartitions('orders', 6);
      expect(store.readPartitions('orders')).toBe(6);
    });
  });

  describe('owning a lane', () => {
    it('gives each acquisition a new fence, and one to a race', async () => {
      const { fence } = store.readLane(0);
      const [one, two] = await Promise.all([
        store.claimLane(0, 'relay-1', fence),
        store.claimLane(0, 'relay-2', fence),
      ]);
      expect([one, two].filter((lease) => lease !== null)).toHaveLength(1);
      const again = await claim(0, 'relay-1');
      expect(again.fence).toBe(fence + 2);
      expect(store.readLane(0)).toMatchObject({ owner: 'relay-1', fence: fence + 2 });
    });

    it('lets nobody write with a lease that was lost', async () => {
      subject.appender.append([inLane(0)]);
      const lost = await claim(0, 'relay-1');
      expect(store.holdsLane(lost)).toBe(true);
      await claim(0, 'relay-1'); // a new acquisition by the same relay is another lease
      expect(store.holdsLane(lost)).toBe(false);
      const settlement = { cursor: 1, delivered: 1, via: 'job' } as const;
      expect(await store.settle(lost, settlement)).toBe(false);
      expect(await store.recordFailure(lost, { ...failure, atMs: 1 })).toBe(false);
      expect(await store.releaseLane(lost)).toBe(false);
      const untouched = { cursor: 0, delivered: 0, failures: 0, owner: 'relay-1' };
      expect(store.readLane(0)).toMatchObject(untouched);
    });

    it('renews every lane of one owner', async () => {
      await claim(0, 'relay-1');
      await claim(1, 'relay-1');
      await claim(2, 'relay-2');
      await store.renewLeases('relay-1');
      expect([0, 1, 2].map((lane) => store.readLane(lane).renewals)).toEqual([1, 1, 0]);
    });

    it('frees a lane that is released', async () => {
      const lease = await claim(0);
      expect(await store.releaseLane(lease)).toBe(true);
      expect(store.readLane(0).owner).toBeNull();
      expect(store.holdsLane(lease)).toBe(false);
    });

    it('tells owners that live from those that left', async () => {
      expect(store.isOwnerAlive('relay-1')).toBe(false);
      const presence = await store.announceOwner('relay-1');
      const other = subject.openStore();
      expect(other.isOwnerAlive('relay-1')).toBe(true);
      await presence.withdraw();
      await presence.withdraw();
      expect(other.isOwnerAlive('relay-1')).toBe(false);
      other.close();
    });
  });

  describe('settling', () => {
    it('moves the cursor forward, counts, and clears the failure', async () => {
      subject.appender.append([inLane(0), inLane(0), inLane(0)]);
      const lease = await claim(0);
      const told = { ...failure, seq: 1, topic: 'orders', atMs: 9 };
      expect(await store.recordFailure(lease, told)).toBe(true);
      expect(store.readLane(0)).toMatchObject({ failures: 1, failure: told });
      expect(await store.settle(lease, { cursor: 2, delivered: 2, via: 'job' })).toBe(true);
      expect(await store.settle(lease, { cursor: 3, delivered: 1, via: 'sweep' })).toBe(true);
      const counts = { delivered: 3, deliveredByJob: 2, failures: 0, failure: null };
      expect(store.readLane(0)).toMatchObject({ cursor: 3, ...counts });
    });

    it('never moves a cursor back', async () => {
      const lease = await claim(0);
      await store.settle(lease, { cursor: 5, delivered: 1, via: 'job' });
      expect(await store.settle(lease, { cursor: 5, delivered: 1, via: 'job' })).toBe(false);
      expect(await store.settle(lease, { cursor: 4, delivered: 1, via: 'job' })).toBe(false);
      expect(store.readLane(0)).toMatchObject({ cursor: 5, delivered: 1 });
    });

    it('counts rounds without a lease', async () => {
      await store.recordRoundUsedUp(2);
      await store.recordRoundUsedUp(2);
      expect(store.readLane(2).roundsUsedUp).toBe(2);
    });
  });

  describe('pruning', () => {
    it('deletes old delivered events, the oldest first, and no others', async () => {
      const old = { createdAtMs: 100 };
      subject.appender.append([inLane(0, old), inLane(0, old), inLane(0), inLane(1, old)]);
      await store.settle(await claim(0), { cursor: 3, delivered: 3, via: 'job' });
      expect(await store.prune(1_000, 1)).toBe(1);
      expect(store.readBatch(0, 0, unbounded).map(({ seq }) => seq)).toEqual([2, 3]);
      expect(await store.prune(1_000, 10)).toBe(1);
      expect(await store.prune(1_000, 10)).toBe(0);
      expect(store.readBatch(0, 0, unbounded).map(({ seq }) => seq)).toEqual([3]);
      expect(store.readBatch(1, 0, unbounded).map(({ seq }) => seq)).toEqual([4]);
    });

    it('never gives a seq twice', async () => {
      subject.appender.append([inLane(0, { createdAtMs: 1 })]);
      await store.settle(await claim(0), { cursor: 1, delivered: 1, via: 'job' });
      expect(await store.prune(1_000, 10)).toBe(1);
      expect(subject.appender.append([inLane(0)])).toMatchObject([{ seq: 2 }]);
      expect(store.summary()).toMatchObject({ accepted: 2, delivered: 1, pending: 1 });
    });
  });

  it('refuses everything once it is closed, and closes twice', async () => {
    store.close();
    store.close();
    expect(() => store.summary()).toThrow(expect.objectContaining({ code: 'OUTBOX_CLOSED' }));
    const append = store.appendAll([encodedEvent()]);
    await expect(append).rejects.toMatchObject({ code: 'OUTBOX_CLOSED' });
  });
}

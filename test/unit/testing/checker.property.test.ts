/** A random log over random topics and keys, one damage planted: the checker finds exactly it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type AcceptedEvent,
  acceptedEvent,
  type ConsumedRecord,
  checkDelivery,
  type Findings,
  hashOf,
  type UnknownEvent,
} from '../../../src/testing/checker.ts';

const lateAfterMs = 50;

interface Log {
  readonly accepted: AcceptedEvent[];
  readonly unknown: UnknownEvent[];
  readonly consumed: ConsumedRecord[];
}

type Found = Partial<Findings>;

/** Everything in order, each topic and key in one partition; it is read in any order. */
const logs = fc
  .array(
    fc.record({
      topic: fc.constantFrom('orders', 'bills', 'notes'),
      key: fc.constantFrom('a', 'b', 'c', null),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((events): Log => {
    const next = new Map<string, number>();
    const accepted = events.map((event, at) =>
      acceptedEvent({ ...event, value: `value ${at}` }, { id: `id-${at}` }, at),
    );
    const consumed = accepted.map(({ id, topic, key, hash, atMs }, at) => {
      const partition = key === null ? at % 3 : key.charCodeAt(0) % 2;
      const offset = next.get(`${topic}/${partition}`) ?? 0;
      next.set(`${topic}/${partition}`, offset + 1);
      return { topic, partition, offset, id, key, hash, appendedAtMs: atMs + lateAfterMs };
    });
    return { accepted, unknown: [], consumed };
  })
  .chain((log) =>
    fc
      .shuffledSubarray(log.consumed, { minLength: log.consumed.length })
      .map((consumed) => ({ ...log, consumed })),
  );

type Damage = (log: Log, chosen: ConsumedRecord) => { readonly log: Log; readonly found: Found };

const replaced = (log: Log, one: ConsumedRecord, by: readonly ConsumedRecord[]): Log => ({
  ...log,
  consumed: log.consumed.flatMap((record) => (record === one ? by : [record])),
});
const altered = (log: Log, one: ConsumedRecord, change: Partial<ConsumedRecord>) => ({
  log: replaced(log, one, [{ ...one, ...change }]),
  found: { mismatched: 1, lost: 1 },
});

const damages: Readonly<Record<string, Damage>> = {
  nothing: (log) => ({ log, found: {} }),
  dropped: (log, one) => ({ log: replaced(log, one, []), found: { lost: 1 } }),
  repeated: (log, one) => {
    const again = [1, 2].map((time) => ({ ...one, offset: 1_000 + time, appendedAtMs: 9_000 }));
    return { log: replaced(log, one, [one, ...again]), found: { duplicated: 2 } };
  },
  'of another value': (log, one) => altered(log, one, { hash: hashOf('other') }),
  'of another key': (log, one) => altered(log, one, { key: one.key === 'a' ? 'b' : 'a' }),
  'of another topic': (log, one) => altered(log, one, { topic: 'elsewhere' }),
  'of another id': (log, one) => ({
    log: replaced(log, one, [{ ...one, id: null }]),
    found: { unissued: 1, lost: 1 },
  }),
  late: (log, one) => ({
    log: replaced(log, one, [{ ...one, appendedAtMs: (one.appendedAtMs ?? 0) + 1 }]),
    found: { late: 1 },
  }),
  'of unknown outcome': (log, one) => {
    const event = log.accepted.find(({ id }) => id === one.id) as AcceptedEvent;
    const accepted = log.accepted.filter((other) => other !== event);
    return { log: { ...log, accepted, unknown: [event] }, found: { unknown: 1 } };
  },
  'before an earlier one of its key': (log, one) => {
    const ofKey = log.consumed
      .filter(({ topic, key }) => key !== null && topic === one.topic && key === one.key)
      .toSorted((a, b) => a.offset - b.offset);
    const [first = one] = ofKey;
    const swapped = replaced(log, one, [{ ...one, offset: first.offset }]);
    const both = replaced(swapped, first, [{ ...first, offset: one.offset }]);
    // All between the two come after it now, and so does the first.
    return { log: both, found: { reordered: Math.max(0, ofKey.indexOf(one)) } };
  },
};

it.each(Object.keys(damages))('a record that is %s is found, and nothing else', (name) => {
  fc.assert(
    fc.property(logs, fc.nat(), (sound, at) => {
      const chosen = sound.consumed[at % sound.consumed.length] as ConsumedRecord;
      const { log, found } = (damages[name] as Damage)(sound, chosen);
      const { examples, ...findings } = checkDelivery(log, log.consumed, { lateAfterMs });
      const accepted = log.accepted.length;
      const clean = { duplicated: 0, reordered: 0, mismatched: 0, unissued: 0, unknown: 0 };
      const expected = { accepted, lost: 0, late: 0, ...clean, ...found };
      expect(findings).toEqual({ ...expected, delivered: accepted - expected.lost });
      // One of them is told per fault, up to ten; repeats and unknown outcomes are none.
      const { lost, reordered, mismatched, unissued, late } = expected;
      const faults = lost + reordered + mismatched + unissued + late;
      expect(examples).toHaveLength(Math.min(10, faults));
    }),
    { numRuns: 300 },
  );
});

import { describe, expect, it } from 'vitest';
import { encodeHeaders, type LoggedEvent } from '../../../src/core/event.ts';
import { laneOf } from '../../../src/core/lane.ts';
import { type BatchRules, buildBatch } from '../../../src/relay/batch.ts';
import { Holds } from '../../../src/relay/holds.ts';

const rules: BatchRules = {
  lanes: 4,
  partitionBytes: 1_000,
  source: Buffer.from('source'),
  partitioner: ({ explicit, seq }, partitions) => explicit ?? seq % partitions,
};

function event(seq: number, changes: Partial<LoggedEvent> = {}): LoggedEvent {
  const id = `00000000-0000-7000-8000-${String(seq).padStart(12, '0')}`;
  const base = {
    seq,
    id,
    topic: 'topic',
    key: Buffer.from('key'),
    value: Buffer.alloc(100),
    headers: null,
    partition: null,
    createdAtMs: 1_000 + seq,
    ...changes,
  };
  return { lane: laneOf(base, rules.lanes), ...base };
}

const twoPartitions = { partitionsOf: () => ({ forKeys: 2, now: 2 }), holds: null };

describe('buildBatch', () => {
  it('takes a partition that a topic has grown, and places keys over those it had', () => {
    const grown = { partitionsOf: () => ({ forKeys: 2, now: 6 }), holds: null };
    const events = [event(1, { partition: 5 }), event(3)];
    const { records, faults } = buildBatch(events, grown, rules);
    expect(records.map(({ partition }) => partition)).toEqual([5, 1]);
    expect(faults).toEqual([]);
  });

  it('keeps the order of the log and ends with the seq of its last record', () => {
    const batch = buildBatch([event(3), event(5), event(9)], twoPartitions, rules);
    expect(batch.records.map((record) => record.timestampMs)).toEqual([1_003, 1_005, 1_009]);
    expect(batch.records.map((record) => record.partition)).toEqual([1, 1, 1]);
    expect(batch).toMatchObject({ lastSeq: 9, faults: [], blocked: [] });
  });

  it('puts id, seq and source into headers, after those of the event', () => {
    const headers = encodeHeaders([['own', Buffer.from('x')]]);
    const [record] = buildBatch([event(7, { headers })], twoPartitions, rules).records;
    expect(record?.headers.map(([name, value]) => [name, value?.toString()])).toEqual([
      ['own', 'x'],
      ['outbox-event-id', event(7).id],
      ['outbox-seq', '7'],
      ['outbox-source', 'source'],
    ]);
  });

  it('adds no headers when they are turned off', () => {
    const bare = { ...rules, source: null };
    expect(buildBatch([event(1)], twoPartitions, bare).records[0]?.headers).toEqual([]);
  });

  it('ends before a partition would get more bytes than it may, and always takes one', () => {
    const large = { value: Buffer.alloc(600), partition: 0 };
    const events = [event(1, large), event(2, { partition: 1 }), event(3, large)];
    expect(buildBatch(events, twoPartitions, rules).lastSeq).toBe(2);
    const huge = event(1, { value: Buffer.alloc(5_000) });
    const one = { partitionsOf: () => ({ forKeys: 1, now: 1 }), holds: null };
    expect(buildBatch([huge, event(2)], one, rules).lastSeq).toBe(1);
  });

  it('ends before a topic that is not known', () => {
    const events = [event(1), event(2, { topic: 'other' }), event(3)];
    const partitionsOf = (name: string) => (name === 'topic' ? { forKeys: 2, now: 2 } : null);
    const batch = buildBatch(events, { partitionsOf, holds: null }, rules);
    expect(batch).toMatchObject({ lastSeq: 1, faults: [], blocked: [] });
  });

  it.each([
    ['LANE_MISMATCH', { lane: (laneOf(event(2), rules.lanes) + 1) % rules.lanes }],
    ['HEADERS_UNREADABLE', { headers: '{"a":1}' }],
    ['HEADERS_UNREADABLE', { headers: 'not JSON' }],
    ['PARTITION_OUT_OF_RANGE', { partition: 2 }],
  ])('leaves out a row that cannot be sent, and what follows of its key: %s', (code, changes) => {
    const other = event(3, { key: Buffer.from('other') });
    const batch = buildBatch([event(1), event(2, changes), other, event(4)], twoPartitions, rules);
    expect(batch.events.map(({ seq }) => seq)).toEqual([1, 3]);
    expect(batch.faults).toMatchObject([{ code, event: { seq: 2 } }]);
    expect(batch.blocked.map(({ seq }) => seq)).toEqual([4]);
    expect(batch.lastSeq).toBe(4);
  });

  it('leaves out what waits behind a head, a stop, or a pause', () => {
    const key = Buffer.from('blocked');
    const stop = { code: 'X', message: '', sinceMs: 0, attempts: 0, nextAttemptAtMs: 0 };
    const holds = new Holds({
      heads: [{ topic: 'topic', orderKey: key }],
      stops: [
        { topic: 'gone', partition: null, draining: false, ...stop },
        { topic: 'part', partition: 1, draining: true, ...stop },
      ],
      pausedTopics: ['paused'],
      nextDueAtMs: null,
    });
    const events = [
      event(1, { key }),
      event(2),
      event(3, { topic: 'gone' }),
      event(4, { topic: 'part', partition: 1 }),
      event(5, { topic: 'part', partition: 0 }),
      event(6, { topic: 'paused' }),
      event(7, { key, topic: 'part', partition: 0 }),
    ];
    // Nothing need be known of a topic that is stopped or paused.
    const partitionsOf = (name: string) => (/^(topic|part)$/.test(name) ? known : null);
    const batch = buildBatch(events, { partitionsOf, holds }, rules);
    expect(batch.events.map(({ seq }) => seq)).toEqual([2, 5, 7]);
    expect(batch.blocked).toEqual([
      { seq: 1, topic: 'topic', partition: 1 },
      { seq: 3, topic: 'gone', partition: null },
      { seq: 4, topic: 'part', partition: 1 },
      { seq: 6, topic: 'paused', partition: null },
    ]);
    expect(batch.lastSeq).toBe(7);
  });
});

const known = { forKeys: 2, now: 2 };

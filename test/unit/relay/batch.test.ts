import { describe, expect, it } from 'vitest';
import { encodeHeaders, type LoggedEvent } from '../../../src/core/event.ts';
import { laneOf } from '../../../src/core/lane.ts';
import { type BatchRules, buildBatch } from '../../../src/relay/batch.ts';

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

const twoPartitions = () => ({ forKeys: 2, now: 2 });

describe('buildBatch', () => {
  it('takes a partition that a topic has grown, and places keys over those it had', () => {
    const grown = () => ({ forKeys: 2, now: 6 });
    const events = [event(1, { partition: 5 }), event(3)];
    const { records, fault } = buildBatch(events, grown, rules);
    expect(records.map(({ partition }) => partition)).toEqual([5, 1]);
    expect(fault).toBeNull();
  });

  it('keeps the order of the log and ends with the seq of its last record', () => {
    const batch = buildBatch([event(3), event(5), event(9)], twoPartitions, rules);
    expect(batch.records.map((record) => record.timestampMs)).toEqual([1_003, 1_005, 1_009]);
    expect(batch.records.map((record) => record.partition)).toEqual([1, 1, 1]);
    expect(batch).toMatchObject({ lastSeq: 9, fault: null });
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
    expect(buildBatch([huge, event(2)], () => ({ forKeys: 1, now: 1 }), rules).lastSeq).toBe(1);
  });

  it('ends before a topic that is not known', () => {
    const events = [event(1), event(2, { topic: 'other' }), event(3)];
    const batch = buildBatch(
      events,
      (topic) => (topic === 'topic' ? twoPartitions() : null),
      rules,
    );
    expect(batch).toMatchObject({ lastSeq: 1, fault: null });
  });

  it.each([
    ['LANE_MISMATCH', { lane: (laneOf(event(2), rules.lanes) + 1) % rules.lanes }],
    ['HEADERS_UNREADABLE', { headers: '{"a":1}' }],
    ['HEADERS_UNREADABLE', { headers: 'not JSON' }],
    ['PARTITION_OUT_OF_RANGE', { partition: 2 }],
  ])('ends before a row that cannot be sent: %s', (code, changes) => {
    const batch = buildBatch([event(1), event(2, changes), event(3)], twoPartitions, rules);
    expect(batch.lastSeq).toBe(1);
    expect(batch.fault).toMatchObject({ code, seq: 2, topic: 'topic' });
  });
});

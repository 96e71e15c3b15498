import { describe, expect, it } from 'vitest';
import { coverage } from '../../../src/sink/kafkajs/sender.ts';

const record = (topic: string, partition: number) => ({
  ...{ topic, partition, key: null, value: null, headers: [], timestampMs: 0 },
});
const answer = (topicName: string, partition: number, errorCode = 0) => ({
  ...{ topicName, partition, errorCode, baseOffset: '7' },
});
const sent = [record('a', 0), record('a', 1), record('a', 1), record('b', 0)];

describe('the answer to a send', () => {
  it('is an acknowledgement when it covers every topic-partition', () => {
    const outcome = coverage(sent, [answer('b', 0), answer('a', 1), answer('a', 0)]);
    expect(outcome).toMatchObject({ kind: 'acked' });
    expect('acks' in outcome && outcome.acks[0]).toEqual({
      topic: 'b',
      partition: 0,
      baseOffset: 7n,
    });
  });

  it.each([
    ['nothing', []],
    ['one partition less', [answer('a', 0), answer('b', 0)]],
    ['another topic', [answer('a', 0), answer('a', 1), answer('c', 0)]],
  ])('is unknown when it says %s', (_, answers) => {
    expect(coverage(sent, answers)).toMatchObject({ kind: 'unknown', code: 'PARTIAL_ANSWER' });
  });

  it('is the failure of one partition, whatever the others say', () => {
    const answers = [answer('a', 0), answer('a', 1, 10), answer('b', 0)];
    expect(coverage(sent, answers)).toMatchObject({
      kind: 'refused-record',
      code: 'MESSAGE_TOO_LARGE',
      topic: 'a',
    });
  });
});

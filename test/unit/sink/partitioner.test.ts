import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { choosePartition, murmur2 } from '../../../src/sink/partitioner.ts';

// org.apache.kafka.common.utils.UtilsTest.testMurmur2
describe('murmur2', () => {
  it.each([
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ])('of %s is as in the Java client', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
  });
});

describe('choosePartition', () => {
  const theirs = Partitioners.DefaultPartitioner();

  it('places every key as kafkajs itself would', () => {
    const seed = randomInt(2 ** 31);
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 1_000 }), (bytes, partitions) => {
        const key = Buffer.from(bytes);
        const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => {
          return { partitionId, leader: 1 } as never;
        });
        const wanted = theirs({ topic: 't', partitionMetadata, message: { key, value: null } });
        expect(choosePartition({ key, seq: 1, explicit: null }, partitions)).toBe(wanted);
      }),
      { seed, numRuns: 300 },
    );
  });

  it('obeys an explicit partition, whatever the key', () => {
    const record = { key: Buffer.from('k'), seq: 1, explicit: 5 };
    expect(choosePartition(record, 3)).toBe(5);
  });

  it('takes partitions in turn without a key, the same one at every retry', () => {
    const partitions = [1, 2, 3, 4].map((seq) =>
      choosePartition({ key: null, seq, explicit: null }, 3),
    );
    expect(partitions).toEqual([1, 2, 0, 1]);
  });
});

import { expect, it } from 'vitest';
import { lostEnds } from '../../support/lost-ends.ts';

const tries = (id: string) =>
  `INFO Sending txn markers for TransactionalIdCoordinatorEpochAndTransit(${id},14,COMMIT,…`;
const skips = (id: string) =>
  "INFO Couldn't find leader endpoint for partitions Set(orders-0) while trying to send " +
  `transaction markers for ${id}, these partitions are likely deleted already and hence …`;
const opens = (id: string) =>
  `INFO Initialized transactionalId ${id} with producerId 2 and producer epoch 11 on partition …`;

it.each<[string, string[], number]>([
  ['that was skipped, and never tried again', [tries('a'), skips('a'), opens('a')], 1],
  ['that was tried again', [tries('a'), skips('a'), tries('a'), opens('a'), opens('a')], 0],
  ['that was skipped twice', [tries('a'), skips('a'), tries('a'), skips('a'), opens('a')], 1],
  ['of each of two lanes', [skips('a'), skips('b'), opens('b'), opens('a')], 2],
  ['after which nobody has asked', [tries('a'), skips('a')], 0],
  ['that went well', [tries('a'), opens('a')], 0],
])('an end of a transaction %s', (_, lines, count) => {
  expect(lostEnds(lines.join('\n'))).toBe(count);
});

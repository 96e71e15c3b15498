import type { Producer, ProducerRecord } from 'kafkajs';
import { expect, it } from 'vitest';
import { SharedSends } from '../../../../scripts/bench/rival/shared-sends.ts';

const event = (key: string) => ({ key, value: Buffer.from(key) });

/** Keys of each request, and a producer that keeps them. */
function recording(answer: () => Promise<unknown>) {
  const requests: string[][] = [];
  const send = ({ messages }: ProducerRecord) => {
    requests.push(messages.map(({ key }) => String(key)));
    return answer();
  };
  const producer = { send } as unknown as Producer;
  return { requests, sends: new SharedSends(producer, 'topic') };
}

it('events of one turn share a request, in their order; later ones have their own', async () => {
  const { requests, sends } = recording(async () => []);
  await Promise.all([sends.send(event('a')), sends.send(event('b'))]);
  await sends.send(event('c'));
  expect(requests).toEqual([['a', 'b'], ['c']]);
});

it('a request that fails fails for each of its events, and for no other', async () => {
  let broker = false;
  const { sends } = recording(async () => {
    if (!broker) throw new Error('no broker');
  });
  const both = await Promise.allSettled([sends.send(event('a')), sends.send(event('b'))]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  broker = true;
  await sends.send(event('c'));
});

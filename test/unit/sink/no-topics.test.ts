import { describe, expect, it } from 'vitest';
import { askForNoTopics } from '../../../src/sink/kafkajs/no-topics.ts';

/** As kafkajs writes it: size, key, version, number, client id, body. */
function request(key: number, version: number, body: readonly number[]): Buffer {
  const clientId = Buffer.from('shop-doctor');
  const head = Buffer.alloc(14);
  head.writeInt32BE(10 + clientId.length + body.length, 0);
  head.writeInt16BE(key, 4);
  head.writeInt16BE(version, 6);
  head.writeInt16BE(clientId.length, 12);
  return Buffer.concat([head, clientId, Buffer.from(body)]);
}

const all = [0xff, 0xff, 0xff, 0xff];
const none = [0, 0, 0, 0];
const one = [0, 0, 0, 1, 0, 1, 0x61]; // "a"

function written(frame: Buffer): Buffer {
  askForNoTopics(frame);
  return frame;
}

describe('a request for the metadata of all topics', () => {
  it.each([
    [1, all, none],
    [3, all, none],
    [4, [...all, 0], [...none, 0]],
    [6, [...all, 1], [...none, 1]],
  ])('of version %i asks for none', (version, given, expected) => {
    expect(written(request(3, version, given))).toEqual(request(3, version, expected));
  });

  it('of version 0 is left: there, none means all', () => {
    expect(written(request(3, 0, all))).toEqual(request(3, 0, all));
  });
});

describe('any other request', () => {
  it.each([
    ['one topic', request(3, 6, [...one, 0])],
    ['no topic', request(3, 6, [...none, 0])],
    ['another key', request(18, 2, all)],
    ['a version that kafkajs does not speak', request(3, 9, [...all, 0])],
    ['bytes of a login', Buffer.from([0, 0, 0, 2, 0, 3])],
    ['nothing', Buffer.alloc(0)],
  ])('stays as it is: %s', (_, frame) => {
    const before = Buffer.from(frame);
    expect(written(frame)).toEqual(before);
  });

  it('may be text', () => {
    expect(() => askForNoTopics('text')).not.toThrow();
  });
});

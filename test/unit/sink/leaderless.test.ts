/** Metadata answers on their way to kafkajs: one partition's complaint must not hide the others. */
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { MetadataAnswers } from '../../../src/sink/kafkajs/leaderless.ts';

const load = createRequire(import.meta.url);
interface Metadata {
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly partitionMetadata: readonly { partitionErrorCode: number; leader: number }[];
  }[];
}
const { decode, parse } = load('kafkajs/src/protocol/requests/metadata/v6/response.js') as {
  decode: (bytes: Buffer) => Promise<Metadata>;
  parse: (data: Metadata) => Promise<Metadata>;
};

const int16 = (value: number) => Buffer.from([(value >> 8) & 255, value & 255]);
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const text = (value: string | null) =>
  value === null ? int16(-1) : Buffer.concat([int16(value.length), Buffer.from(value)]);
const list = (items: readonly Buffer[]) => Buffer.concat([int32(items.length), ...items]);
const ints = (...values: number[]) => list(values.map(int32));

function frame(correlationId: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat([int32(correlationId), ...parts]);
  return Buffer.concat([int32(body.length), body]);
}

function request(key: number, version: number, correlationId: number): Buffer {
  const rest = Buffer.concat([text('client'), ints()]);
  const body = Buffer.concat([int16(key), int16(version), int32(correlationId), rest]);
  return Buffer.concat([int32(body.length), body]);
}

const partition = (complaint: number, id: number, leader: number) =>
  Buffer.concat([int16(complaint), int32(id), int32(leader), ints(1, 2), ints(1), ints(2)]);
const topic = (complaint: number, name: string, partitions: readonly Buffer[]) =>
  Buffer.concat([int16(complaint), text(name), Buffer.from([0]), list(partitions)]);
const broker = Buffer.concat([int32(1), text('127.0.0.1'), int32(9_092), text(null)]);

/** Throttle time, brokers, cluster, controller, topics. */
const answer = (correlationId: number, topics: readonly Buffer[]) =>
  frame(correlationId, int32(0), list([broker]), text('cluster'), int32(1), list(topics));
const half = [partition(0, 0, 1), partition(5, 1, -1), partition(72, 2, -1), partition(9, 3, 1)];
const payload = (framed: Buffer) => framed.subarray(8);

it('takes the complaints of partitions out, and leaves their leaders as they are', async () => {
  const answers = new MetadataAnswers();
  answers.sent(request(3, 6, 41));
  const original = answer(41, [topic(0, 'orders', half)]);
  await expect(decode(payload(original)).then(parse)).rejects.toThrow(/leader/i);
  const mended = answers.received(original) as Buffer;
  const { topicMetadata } = await decode(payload(mended)).then(parse);
  const leaders = topicMetadata[0]?.partitionMetadata.map(({ leader }) => leader);
  expect(leaders).toEqual([1, -1, -1, 1]);
});

it('leaves the complaint of a topic alone', async () => {
  const answers = new MetadataAnswers();
  answers.sent(request(3, 5, 1));
  const mended = answers.received(answer(1, [topic(3, 'gone', []), topic(0, 'orders', half)]));
  const { topicMetadata } = await decode(payload(mended as Buffer));
  expect(topicMetadata[0]?.topicErrorCode).toBe(3);
  await expect(decode(payload(mended as Buffer)).then(parse)).rejects.toThrow();
});

it('changes nothing that is not the answer to a metadata request', () => {
  const answers = new MetadataAnswers();
  answers.sent(request(0, 7, 7));
  answers.sent(request(3, 9, 8));
  answers.sent('no request at all');
  for (const correlationId of [7, 8, 9]) {
    const original = answer(correlationId, [topic(0, 'orders', half)]);
    const before = Buffer.from(original);
    expect(answers.received(original)).toEqual(before);
  }
});

it('leaves an answer alone that is laid out in another way', () => {
  const answers = new MetadataAnswers();
  answers.sent(request(3, 6, 5));
  const odd = frame(5, int32(0), int32(1_000_000));
  expect(answers.received(odd)).toEqual(frame(5, int32(0), int32(1_000_000)));
});

it('puts together what comes in pieces, and loses no byte of it', async () => {
  const answers = new MetadataAnswers();
  answers.sent(request(3, 6, 2));
  const produced = frame(1, Buffer.from('an answer to something else'));
  const stream = Buffer.concat([produced, answer(2, [topic(0, 'orders', half)]), produced]);
  const got: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 3) {
    const whole = answers.received(stream.subarray(at, at + 3));
    if (whole !== null) got.push(whole);
  }
  const all = Buffer.concat(got);
  expect(all).toHaveLength(stream.length);
  expect(all.subarray(0, produced.length)).toEqual(produced);
  expect(all.subarray(-produced.length)).toEqual(produced);
  await decode(all.subarray(produced.length + 8, -produced.length)).then(parse);
});

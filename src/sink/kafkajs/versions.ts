/**
 * What a broker speaks. kafkajs asks this too and keeps the answer to itself, so one request is
 * written by hand: ApiVersions in version 0, which every broker answers, before any login.
 */
import type { Socket } from 'node:net';
import type { BrokerVersions } from '../inspection.ts';

/** Lowest and highest version of a request, both included. */
export type Range = readonly [lowest: number, highest: number];

const apiVersions = 18;
const produce = 0;

/** What kafkajs 2.2.4 speaks of what a relay needs; Produce 3 is the first with headers. */
const needed: readonly (readonly [name: string, key: number, Range])[] = [
  ['Produce', produce, [3, 7]],
  ['Metadata', 3, [0, 6]],
  ['InitProducerId', 22, [0, 1]],
];

/** Highest version of Produce and the first release that has it, the newest first. */
const releases: readonly (readonly [version: number, release: string])[] = [
  [13, '4.1 or later'],
  [12, '4.0'],
  [11, '3.8 or 3.9'],
  [10, '3.7'],
  [9, '2.8 to 3.6'],
  [8, '2.4 to 2.7'],
];

/** Judges the ranges by what the client speaks. Pure. */
export function describeVersions(spoken: ReadonlyMap<number, Range>): BrokerVersions {
  const highest = spoken.get(produce)?.[1] ?? -1;
  const release = releases.find(([version]) => highest >= version)?.[1] ?? 'before 2.4';
  const unspoken = needed.filter(([, key, ours]) => !overlap(ours, spoken.get(key)));
  return { release, unspoken: unspoken.map(([name]) => name) };
}

function overlap(ours: Range, theirs: Range | undefined): boolean {
  return theirs !== undefined && ours[0] <= theirs[1] && theirs[0] <= ours[1];
}

/** @param open connects and calls back once, as the client's own socket factory does */
export function askVersions(open: (onConnect: () => void) => Socket): Promise<BrokerVersions> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = open(() => socket.write(request()));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      try {
        const spoken = parseVersions(Buffer.concat(chunks));
        if (spoken === null) return;
        resolve(describeVersions(spoken));
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    });
  });
}

function request(): Buffer {
  const body = Buffer.alloc(10); // key, version 0, correlation id 0, no client id
  body.writeInt16BE(apiVersions, 0);
  body.writeInt16BE(-1, 8);
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

/**
 * The answer, or `null` while bytes are missing. Pure.
 * @throws RangeError when it is no such answer
 */
export function parseVersions(bytes: Buffer): Map<number, Range> | null {
  if (bytes.length < 4 || bytes.length < 4 + bytes.readInt32BE(0)) return null;
  const error = bytes.readInt16BE(8);
  if (error !== 0) throw new RangeError(`ApiVersions is answered with error ${error}`);
  const spoken = new Map<number, Range>();
  const count = bytes.readInt32BE(10);
  for (let index = 0; index < count; index += 1) {
    const at = 14 + 6 * index;
    spoken.set(bytes.readInt16BE(at), [bytes.readInt16BE(at + 2), bytes.readInt16BE(at + 4)]);
  }
  return spoken;
}

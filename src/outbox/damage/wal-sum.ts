/** The checksum that SQLite has in its log and in the index of it. */
export type Sum = readonly [number, number];

/** @param big whether the bytes are numbers of a big-endian machine; a multiple of 8 of them */
export function addTo([a, b]: Sum, bytes: Buffer, big: boolean): Sum {
  let first = a;
  let second = b;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + view.getUint32(at, !big) + second) >>> 0;
    second = (second + view.getUint32(at + 4, !big) + first) >>> 0;
  }
  return [first, second];
}

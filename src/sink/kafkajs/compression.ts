/**
 * What kafkajs cannot compress by itself, as Kafka's Java client writes and reads it. Code that
 * only one codec needs is loaded when that codec is used.
 *
 * - snappy: the frames of snappy-java ("xerial"), blocks of 32 KiB.
 * - lz4: LZ4 frames of independent blocks, with the header checksum that Kafka insists on.
 * - zstd: Node's own.
 */
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import type { Compression } from '../security.ts';

/** As Kafka writes them into the attributes of a record batch; kafkajs uses the same numbers. */
export const codecNumbers: Readonly<Record<Compression, number>> = Object.freeze({
  none: 0,
  gzip: 1,
  snappy: 2,
  lz4: 3,
  zstd: 4,
});

type Bytes = Buffer<ArrayBuffer>;

/** As kafkajs wants it. */
export interface Codec {
  compress(encoder: { readonly buffer: Bytes }): Promise<Buffer>;
  /** @throws (rejects with) an Error when the bytes are damaged */
  decompress(bytes: Bytes): Promise<Buffer>;
}

const loadWasm = () => import('@platformatic/wasm-utils');

/** Magic, then version and lowest compatible version, both 1. */
const xerialHeader = Buffer.from('82534e41505059000000000100000001', 'hex');
const xerialBlockBytes = 32 * 1_024;

const snappy: Codec = {
  compress: async ({ buffer }) => {
    const { snappyCompress } = await loadWasm();
    const parts: Buffer[] = [xerialHeader];
    for (let at = 0; at < buffer.length; at += xerialBlockBytes) {
      const block = snappyCompress(buffer.subarray(at, at + xerialBlockBytes));
      const size = Buffer.alloc(4);
      size.writeInt32BE(block.length);
      parts.push(size, block);
    }
    return Buffer.concat(parts);
  },
  decompress: async (bytes) => {
    const { snappyDecompress } = await loadWasm();
    if (!bytes.subarray(0, 8).equals(xerialHeader.subarray(0, 8))) return snappyDecompress(bytes);
    const parts: Buffer[] = [];
    for (let at = xerialHeader.length; at < bytes.length; ) {
      const size = bytes.readInt32BE(at);
      parts.push(snappyDecompress(bytes.subarray(at + 4, at + 4 + size)));
      at += 4 + size;
    }
    return Buffer.concat(parts);
  },
};

const lz4: Codec = {
  compress: async ({ buffer }) => (await loadWasm()).lz4Compress(buffer),
  decompress: async (bytes) => (await loadWasm()).lz4Decompress(bytes),
};

const compressZstd = promisify(zstdCompress);
const decompressZstd = promisify(zstdDecompress);

const zstd: Codec = {
  compress: ({ buffer }) => compressZstd(buffer),
  decompress: (bytes) => decompressZstd(bytes),
};

/** `undefined` for those that kafkajs has. */
export const codecs: Readonly<Partial<Record<Compression, Codec>>> = Object.freeze({
  snappy,
  lz4,
  zstd,
});

/** Codecs: bytes that other programs made, bytes that others must be able to read, round trips. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codecs } from '../../../src/sink/kafkajs/compression.ts';

type Name = keyof typeof codecs;
const codec = (name: Name) => codecs[name] as NonNullable<(typeof codecs)[Name]>;
const bytes = (text: string) => Buffer.from(text);
const words = bytes('outbox outbox outbox outbox outbox outbox');

describe('what another program made', () => {
  // The `lz4` and `zstd` tools; the snappy frame is put together by hand from both formats.
  const made: readonly { name: Name; how: string; hex: string; text: Buffer }[] = [
    {
      name: 'lz4',
      how: 'independent blocks',
      hex: '04224d18604082110000007f6f7574626f782007000a507574626f7800000000',
      text: words,
    },
    {
      name: 'lz4',
      how: 'dependent blocks and checksums',
      hex: '04224d187440bd110000007f6f7574626f782007000a507574626f78845511e100000000e05366be',
      text: words,
    },
    {
      name: 'zstd',
      how: 'a checksum',
      hex: '28b52ffd24296d0000386f7574626f78200100728a11eea981fa',
      text: words,
    },
    {
      name: 'snappy',
      how: 'a frame',
      hex: '82534e415050590000000001000000010000000806146f7574626f78',
      text: bytes('outbox'),
    },
    { name: 'snappy', how: 'no frame', hex: '06146f7574626f78', text: bytes('outbox') },
  ];

  it.each(made)('is read: $name with $how', async ({ name, hex, text }) => {
    expect(await codec(name).decompress(Buffer.from(hex, 'hex'))).toEqual(text);
  });
});

describe('what is written', () => {
  it('with lz4 is a frame of independent blocks with the checksum of its header', async () => {
    const frame = await codec('lz4').compress({ buffer: words });
    // Magic; version 1 and independent blocks; blocks of 64 KiB; checksum of those two.
    expect(frame.subarray(0, 7).toString('hex')).toBe('04224d18604082');
    expect(frame.subarray(-4)).toEqual(Buffer.alloc(4)); // the end mark
  });

  it('with snappy has the header of snappy-java and blocks of 32 KiB', async () => {
    const buffer = Buffer.alloc(40_000, 'x');
    const frame = await codec('snappy').compress({ buffer });
    expect(frame.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
    const first = frame.readInt32BE(16);
    const second = frame.readInt32BE(20 + first);
    expect(20 + first + 4 + second).toBe(frame.length);
    // A block begins with its length before compression, seven bits at a time.
    expect(frame.subarray(20, 23).toString('hex')).toBe('808002');
  });

  it('with zstd begins with its magic', async () => {
    const frame = await codec('zstd').compress({ buffer: words });
    expect(frame.subarray(0, 4).toString('hex')).toBe('28b52ffd');
  });
});

describe.each(Object.keys(codecs) as Name[])('%s', (name) => {
  const roundTrip = async (buffer: Buffer<ArrayBuffer>) => {
    const packed = await codec(name).compress({ buffer });
    return codec(name).decompress(Buffer.from(packed));
  };

  it('gives back any bytes', async () => {
    const chunk = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(3_000));
    const texts = fc.array(chunk, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(texts, async (parts) => {
        const all = parts.map(([part, times]) => Buffer.alloc(part.length * (times + 1), part));
        const buffer = Buffer.concat(all);
        expect((await roundTrip(buffer)).equals(buffer)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 32_767, 32_768, 32_769, 65_536, 1_048_577])('gives back %i bytes', async (size) => {
    // As hard to compress as it gets: more bytes come out than go in.
    const buffer = Buffer.from(crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536))));
    const whole = Buffer.alloc(size, buffer);
    expect((await roundTrip(whole)).equals(whole)).toBe(true);
  });

  it('makes repeated events smaller', async () => {
    const buffer = bytes('{"event":"user","sender_id":"42"}'.repeat(1_000));
    expect((await codec(name).compress({ buffer })).length).toBeLessThan(buffer.length / 5);
  });
});

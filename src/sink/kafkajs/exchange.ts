/** One message of a login and the broker's answer, as kafkajs takes them: a length, then bytes. */
export interface Exchange {
  readonly request: { encode(): Promise<Buffer> };
  readonly response: {
    decode(answer: Buffer): Promise<Buffer>;
    parse(answer: Buffer): Promise<Buffer>;
  };
}

export function exchangeOf(bytes: Buffer): Exchange {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return {
    request: { encode: async () => Buffer.concat([size, bytes]) },
    response: { decode: async (answer) => answer.subarray(4), parse: async (answer) => answer },
  };
}

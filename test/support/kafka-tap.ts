/**
 * A proxy in front of a broker that reads along: it stops at a chosen request of Kafka's protocol,
 * before the broker has it, or when the broker has answered it and the client does not know.
 * Format: a request is its length (int32), its API key (int16) and the rest.
 * https://kafka.apache.org/protocol
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Of a transaction, in the order in which a relay makes them. */
export const requests = {
  AddOffsetsToTxn: 25,
  TxnOffsetCommit: 28,
  AddPartitionsToTxn: 24,
  Produce: 0,
  EndTxn: 26,
} as const;
export type RequestName = keyof typeof requests;

export interface Stop {
  readonly request: RequestName;
  readonly when: 'unsent' | 'unanswered';
  /** So many of them pass first. */
  readonly skip: number;
}

export class KafkaTap {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target = 0;
  #stop: (Stop & { readonly meet: () => void }) | null = null;
  #left = 0;

  private constructor(server: Server, port: number) {
    this.address = `127.0.0.1:${port}`;
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** The broker must advertise this one's address. */
  static listen(port: number): Promise<KafkaTap> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve(new KafkaTap(server, port)));
    });
  }

  forwardTo(port: number): void {
    this.#target = port;
  }

  /** Resolves when the request is met: from then on nothing passes on its connection. */
  meet(stop: Stop): Promise<void> {
    this.#left = stop.skip;
    return new Promise((resolve) => {
      this.#stop = { ...stop, meet: resolve };
    });
  }

  #accept(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    for (const socket of [client, server]) this.#keep(socket);
    const endBoth = () => {
      client.destroy();
      server.destroy();
    };
    client.once('close', endBoth);
    server.once('close', endBoth);
    let rest = Buffer.alloc(0);
    let held: Stop & { readonly meet: () => void };
    let isHeld = false;
    client.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (let frame = firstOf(rest); frame !== null && !isHeld; frame = firstOf(rest)) {
        const met = this.#isMet(frame);
        rest = rest.subarray(frame.length);
        if (met !== null) [held, isHeld] = [met, true];
        if (met?.when === 'unsent') met.meet();
        else server.write(frame);
      }
    });
    server.on('data', (bytes) => {
      if (!isHeld) client.write(bytes);
      else if (held.when === 'unanswered') held.meet();
    });
  }

  #isMet(frame: Buffer) {
    const stop = this.#stop;
    if (stop === null || frame.readInt16BE(4) !== requests[stop.request]) return null;
    this.#left -= 1;
    if (this.#left >= 0) return null;
    this.#stop = null;
    return stop;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}); // its process is killed, which is what this is for
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A whole request, with its length. */
function firstOf(bytes: Buffer): Buffer | null {
  if (bytes.length < 6) return null;
  const length = 4 + bytes.readInt32BE(0);
  return bytes.length < length ? null : bytes.subarray(0, length);
}

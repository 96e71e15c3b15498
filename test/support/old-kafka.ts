/**
 * A broker that speaks as Kafka 0.10 did: it tells the versions of its requests and where it is,
 * and knows nothing newer. A real one would need a Java, ZooKeeper and an image of their age.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { freePort } from './ports.ts';

const apiVersions = 18;
const metadata = 3;
const unsupported = 35;

/** Key, lowest and highest version: Produce without headers, no InitProducerId. */
const spoken = [
  [0, 0, 2],
  [1, 0, 2],
  [2, 0, 0],
  [metadata, 0, 1],
  [apiVersions, 0, 0],
] as const;

export class OldKafka {
  readonly address: string;
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.address = `127.0.0.1:${port}`;
    this.#server = server;
    this.#port = port;
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(): Promise<OldKafka> {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return new OldKafka(server, port);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}); // a client may cut its connections
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const end = 4 + bytes.readInt32BE(0);
        this.#answer(socket, bytes.subarray(4, end));
        bytes = bytes.subarray(end);
      }
    });
  }

  /** A request begins with its key, its version and the number that its answer repeats. */
  #answer(socket: Socket, request: Buffer): void {
    const [key, version] = [request.readInt16BE(0), request.readInt16BE(2)];
    const body = this.#body(key, version);
    if (body === null) {
      socket.destroy(); // as brokers do with a request that they do not know
      return;
    }
    socket.write(Buffer.concat([int32(4 + body.length), request.subarray(4, 8), body]));
  }

  #body(key: number, version: number): Buffer | null {
    if (key === apiVersions) {
      const ranges = spoken.flatMap((range) => range.map(int16));
      const error = int16(version > 0 ? unsupported : 0);
      return Buffer.concat([error, int32(spoken.length), ...ranges]);
    }
    if (key !== metadata) return null;
    const host = Buffer.from('127.0.0.1');
    const noRack = int16(-1);
    const broker = [int32(1), int16(host.length), host, int32(this.#port), noRack];
    const noTopics = int32(0);
    return Buffer.concat([int32(1), ...broker, int32(1), noTopics]);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** A TCP proxy on loopback that can refuse, go silent, or reset: a network between two ends. */
import { connect, createServer, type Server, type Socket } from 'node:net';

type Mode = 'forward' | 'refuse' | 'swallow';
/** Carries bytes between the two ends of one connection. */
export type Join = (client: Socket, server: Socket) => void;

const joinPlainly: Join = (client, server) => {
  client.pipe(server);
  server.pipe(client);
};

export class TcpProxy {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #join: Join;
  #mode: Mode = 'forward';
  #target = 0;
  #accepted = 0;

  private constructor(server: Server, port: number, join: Join) {
    this.#join = join;
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static listen(port: number, join: Join = joinPlainly): Promise<TcpProxy> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve(new TcpProxy(server, port, join)));
    });
  }

  forwardTo(port: number): void {
    this.#target = port;
  }

  forward(): void {
    this.#mode = 'forward';
  }

  /** Resets what is open and every new connection. */
  refuse(): void {
    this.#mode = 'refuse';
    this.reset();
  }

  /** Half-open: connections stay, new ones are taken, and nothing passes any more, ever. */
  swallow(): void {
    this.#mode = 'swallow';
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.resume();
    }
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Connections taken so far. */
  get accepted(): number {
    return this.#accepted;
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    this.#keep(client);
    if (this.#mode === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    if (this.#mode === 'swallow') {
      client.resume();
      return;
    }
    const server = connect(this.#target, '127.0.0.1');
    this.#keep(server);
    this.#join(client, server);
    const endBoth = () => {
      client.destroy();
      server.destroy();
    };
    client.once('close', endBoth);
    server.once('close', endBoth);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}); // a reset is what this is for
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

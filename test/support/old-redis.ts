/** A server that answers as a Redis of some other version would: PING, INFO, and OK to the rest. */
import { createServer, type Server, type Socket } from 'node:net';
import { freePort } from './ports.ts';

export class OldRedis {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** @param version as INFO tells it */
  static async start(version: string): Promise<OldRedis> {
    const port = await freePort();
    const server = createServer();
    const redis = new OldRedis(server, `redis://127.0.0.1:${port}`);
    server.on('connection', (socket) => redis.#serve(socket, version));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return redis;
  }

  #serve(socket: Socket, version: string): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}); // a client may cut its connection
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let one = command(text); one !== null; one = command(text)) {
        text = text.slice(one.length);
        socket.write(answer(one.words, version));
      }
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The first command of a text in Redis's protocol, or `null` while it is not complete. */
function command(text: string): { words: string[]; length: number } | null {
  const [count, ...lines] = text.split('\r\n');
  const rest = lines.slice(0, 2 * Number(count?.slice(1))); // a length and a word each
  if (lines.length <= rest.length || !count?.startsWith('*')) return null;
  const words = rest.filter((_, index) => index % 2 === 1);
  return { words, length: [count, ...rest, ''].join('\r\n').length };
}

function answer([name = '']: readonly string[], version: string): string {
  if (/^ping$/i.test(name)) return '+PONG\r\n';
  if (!/^info$/i.test(name)) return '+OK\r\n';
  const info = `# Server\r\nredis_version:${version}\r\nmaxmemory_policy:noeviction\r\n`;
  return `$${info.length}\r\n${info}\r\n`;
}

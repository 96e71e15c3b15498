/** A real Redis in a container, and an independent client to look into it. */
import { Redis } from 'ioredis';
import { Container } from './container.ts';
import { redisImage } from './images.ts';
import { freePort } from './ports.ts';

export class RedisServer {
  readonly container: Container;
  readonly url: string;
  #client: Redis | null = null;

  private constructor(container: Container) {
    this.container = container;
    this.url = `redis://127.0.0.1:${container.port}`;
  }

  static async start(): Promise<RedisServer> {
    const port = await freePort();
    const container = await Container.start({
      image: redisImage(),
      ports: [port],
      command: ['--port', String(port), '--appendonly', 'yes'],
      isReady: () => answers(port),
    });
    return new RedisServer(container);
  }

  /** A connection of the test's own; closed by `stop`. */
  get client(): Redis {
    this.#client ??= new Redis(this.url, { maxRetriesPerRequest: 1 }).on('error', () => {});
    return this.#client;
  }

  async flushAll(): Promise<void> {
    await this.client.flushall();
  }

  async stop(): Promise<void> {
    this.#client?.disconnect();
    await this.container.remove();
  }
}

async function answers(port: number): Promise<boolean> {
  const options = { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 };
  const client = new Redis(port, '127.0.0.1', options).on('error', () => {});
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch {
    return false; // asked again until the deadline
  } finally {
    client.disconnect();
  }
}

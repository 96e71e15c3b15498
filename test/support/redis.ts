/** The kit's Redis with the image of the set-up, and an independent client to look into it. */
import { Redis } from 'ioredis';
import type { ServiceContainer } from '../../src/testing/container.ts';
import { startRedis, type TestRedis } from '../../src/testing/redis.ts';
import { redisImage } from './images.ts';

export class RedisServer {
  readonly container: ServiceContainer;
  readonly url: string;
  readonly #redis: TestRedis;
  #client: Redis | null = null;

  private constructor(redis: TestRedis) {
    this.#redis = redis;
    this.container = redis.container;
    this.url = redis.url;
  }

  static async start(): Promise<RedisServer> {
    return new RedisServer(await startRedis({ image: redisImage() }));
  }

  /** A connection of the test's own; closed by `stop`. */
  get client(): Redis {
    this.#client ??= new Redis(this.url, { maxRetriesPerRequest: 1 }).on('error', () => {});
    return this.#client;
  }

  flushAll(): Promise<void> {
    return this.#redis.flushAll();
  }

  /** For good. */
  async stop(): Promise<void> {
    this.#client?.disconnect();
    await this.#redis.close();
  }
}

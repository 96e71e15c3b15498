/**
 * A real Redis in a container, for tests that flush it or take it away. What it is asked here is
 * asked in its own words over a socket: no client of the relay is part of the judgement.
 */
import { connect } from 'node:net';
import { TestTimeoutError } from '../core/testing-errors.ts';
import { containerHost, ServiceContainer } from './container.ts';
import { freePorts } from './ports.ts';

/** The version that our own tests run against; see `npm run test:versions` for the others. */
export const redisImageDefault = 'redis:7.4';

/** How {@link startRedis} starts one. */
export interface StartRedisOptions {
  /**
   * One that takes Redis's flags as arguments, e.g. Valkey's. Default: the variable `REDIS_IMAGE`,
   * or else `redis` of the version that our own tests run against.
   */
  readonly image?: string;
  /** Flags of the server, e.g. `['--maxmemory', '50mb']`. Default: none. */
  readonly args?: readonly string[];
  /** Where it will be. Default: a free one. */
  readonly port?: number;
}

/** A Redis that can be flushed and taken away; made by {@link startRedis}. */
export class TestRedis {
  /** For a relay's `redis`; the same after every start. */
  readonly url: string;
  /** What it runs in. */
  readonly container: ServiceContainer;
  readonly #place: Place;

  private constructor(container: ServiceContainer, place: Place) {
    this.container = container;
    this.#place = place;
    this.url = `redis://${place.host}:${place.port}`;
  }

  /** @internal */
  static async start({ image, args = [], port }: StartRedisOptions = {}): Promise<TestRedis> {
    const [free = 0] = await freePorts(1);
    const place = { host: await containerHost(), port: port ?? free };
    const container = await ServiceContainer.start({
      image: image ?? (process.env['REDIS_IMAGE'] || redisImageDefault),
      ports: [place.port],
      command: ['--port', String(place.port), '--appendonly', 'yes', ...args],
      isReady: () => answers(place),
    });
    return new TestRedis(container, place);
  }

  /** FLUSHALL: everything that it holds is gone, of all databases. */
  async flushAll(): Promise<void> {
    await ask(this.#place, 'FLUSHALL');
  }

  /** SIGKILL, as a crash; what it has written down stays. */
  kill(): Promise<void> {
    return this.container.kill();
  }

  /** Asks it to stop; what it has written down stays. */
  stop(): Promise<void> {
    return this.container.stop();
  }

  /** Starts a killed or stopped one on the same address; resolves when it answers. */
  async start(): Promise<void> {
    await this.container.start();
    await this.container.ready();
  }

  /** Freezes it: connections stay open and are not answered. */
  pause(): Promise<void> {
    return this.container.pause();
  }

  /** Lets it go on; resolves when it answers. */
  async unpause(): Promise<void> {
    await this.container.unpause();
    await this.container.ready();
  }

  /** Ends it, whatever was done to it, and deletes its data. Legal twice. */
  close(): Promise<void> {
    return this.container.remove();
  }

  /** As `close`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Starts a Redis in a container and resolves when it answers. `close` it.
 * @throws (rejects with) TESTCONTAINERS_MISSING; TEST_TIMEOUT; what Docker refuses
 */
export function startRedis(options: StartRedisOptions = {}): Promise<TestRedis> {
  return TestRedis.start(options);
}

interface Place {
  readonly host: string;
  readonly port: number;
}

const answerMs = 5_000;

async function answers(place: Place): Promise<boolean> {
  try {
    return (await ask(place, 'PING')) === 'PONG';
  } catch {
    return false; // asked again until the deadline
  }
}

/** One command of one word over a connection of its own; the first line of its answer. */
function ask(place: Place, command: 'PING' | 'FLUSHALL'): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(place);
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    const timeout = () => fail(new TestTimeoutError(`Redis: no ${command} within ${answerMs} ms`));
    socket.setEncoding('utf8').setTimeout(answerMs);
    socket.on('connect', () => socket.write(`${command}\r\n`));
    socket.on('timeout', timeout);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`Redis closed the connection before ${command}`)));
    socket.on('data', (chunk: string) => {
      answer += chunk;
      const [line, rest] = answer.split('\r\n');
      if (rest === undefined || line === undefined) return;
      if (!line.startsWith('+')) return fail(new Error(`Redis answers ${command} with ${line}`));
      socket.destroy();
      resolve(line.slice(1));
    });
  });
}

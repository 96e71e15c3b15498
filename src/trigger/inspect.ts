/** One question to Redis: how it is set up. Writes nothing, and gives up in time. */
import type { Clock } from '../core/clock.ts';
import type { RedisInspection, RedisRole } from './inspection.ts';
import { type Redis, singleConnection } from './redis.ts';

export interface RedisQuestion {
  /** `redis://` or `rediss://`, with user, password and database if there are any. */
  readonly url: string;
  /** How long to wait for everything, milliseconds. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** Gives up at once when it aborts. */
  readonly signal: AbortSignal | null;
}

/** Does not reject: a Redis that does not answer is an answer. */
export async function inspectRedis(question: RedisQuestion): Promise<RedisInspection> {
  const { url, deadlineMs, clock, signal } = question;
  const redis = singleConnection(url);
  let reason: Error | null = null;
  // Says why; a command that fails with it only says that the connection is closed.
  redis.on('error', (error: Error) => {
    reason ??= error;
  });
  const giveUp = () => {
    reason ??= new Error(`no answer within ${deadlineMs} ms`);
    redis.disconnect();
  };
  const cancel = clock.after(deadlineMs, giveUp);
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await redis.connect();
    return await ask(redis);
  } catch (error) {
    return away(reason ?? (error as Error));
  } finally {
    cancel();
    signal?.removeEventListener('abort', giveUp);
    redis.disconnect();
  }
}

async function ask(redis: Redis): Promise<RedisInspection> {
  await redis.ping();
  let info = '';
  try {
    for (const section of ['server', 'memory', 'replication']) {
      info += `${await redis.info(section)}\n`;
    }
  } catch (error) {
    // An ACL may forbid INFO, and that is no fault of the server; anything else is.
    if (!/^NOPERM/.test((error as Error).message)) throw error;
  }
  const fields = new Map(info.split(/\r?\n/).map((line) => splitAt(line, ':')));
  return {
    reachable: true,
    version: fields.get('redis_version') ?? null,
    eviction: fields.get('maxmemory_policy') ?? null,
    role: roleIn(fields),
    memory: memoryIn(fields),
  };
}

type Fields = ReadonlyMap<string, string>;

function splitAt(line: string, mark: string): [string, string] {
  const at = line.indexOf(mark);
  return [line.slice(0, at), line.slice(at + 1)];
}

function roleIn(fields: Fields): RedisRole | null {
  const role = fields.get('role');
  if (role === 'master') return 'master';
  if (role !== 'slave') return null;
  return fields.get('slave_read_only') === '0' ? 'writable replica' : 'replica';
}

function memoryIn(fields: Fields) {
  const [used, max] = [Number(fields.get('used_memory')), Number(fields.get('maxmemory') ?? 0)];
  if (max === 0 || Number.isNaN(used)) return null;
  // Buffers of replicas and of the append-only file; Redis leaves them out, too.
  const uncounted = Number(fields.get('mem_not_counted_for_evict') ?? 0);
  return { usedBytes: used - uncounted, maxBytes: max };
}

function away(error: Error): RedisInspection {
  const { code } = error as { code?: unknown };
  // Redis begins its errors with a word: NOAUTH, WRONGPASS, LOADING.
  const word = /^[A-Z]{4,}\b/.exec(error.message)?.[0];
  const name = typeof code === 'string' ? code : (word ?? 'NO_ANSWER');
  return { reachable: false, code: name, message: error.message };
}

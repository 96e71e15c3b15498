/** The one importer of ioredis: connections for commands, for BullMQ's worker, for one question. */
import { Redis } from 'ioredis';

export type { Redis };

const retryStrategy = (times: number) => Math.min(times * 50, 1_000);
const common = { lazyConnect: true, connectTimeout: 2_000 } as const;
const failAtOnce = { enableOfflineQueue: false, maxRetriesPerRequest: 0 } as const;

/** Connects again by itself; commands fail at once while it is away. */
export function commandConnection(url: string): Redis {
  return new Redis(url, { ...common, ...failAtOnce, retryStrategy });
}

/** For BullMQ's blocking commands, which must wait for ever. */
export function workerConnection(url: string): Redis {
  return new Redis(url, { ...common, retryStrategy, maxRetriesPerRequest: null });
}

/**
 * Connects once, or fails; when it is given up, its socket is gone at once. The ready check would
 * print a warning where INFO is forbidden.
 */
export function singleConnection(url: string): Redis {
  const once = { retryStrategy: () => null, enableReadyCheck: false, disconnectTimeout: 0 };
  return new Redis(url, { ...common, ...failAtOnce, ...once });
}

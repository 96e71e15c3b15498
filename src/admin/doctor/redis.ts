/** Findings about Redis. Pure. The relay works without it, so that its absence is no error. */
import type { RedisInspection } from '../../trigger/inspection.ts';
import { sizeOf } from './file.ts';
import { type Finding, fine } from './finding.ts';

/** BullMQ refuses a server below the first, and advises against one below the second. */
const versionMin = [5, 0] as const;
const versionAdvised = [6, 2] as const;

type Answering = Extract<RedisInspection, { readonly reachable: true }>;

/** @param facts `null` when no Redis is configured */
export function judgeRedis(facts: RedisInspection | null): Finding[] {
  if (facts === null) {
    return [fine('redis.reachable', 'not configured: the relay wakes itself with timers')];
  }
  if (!facts.reachable) {
    return [
      {
        check: 'redis.reachable',
        severity: 'warning',
        found: `no answer (${facts.code}: ${facts.message})`,
        breaks: 'No BullMQ jobs, no dashboards; the relay drains by itself after 5 s.',
        mend: 'Start Redis, check URL, user and password, or leave `redis` out.',
      },
    ];
  }
  const { version, eviction } = facts;
  if (version === null || eviction === null) {
    return [fine('redis.reachable', 'answers'), unknown()];
  }
  return [
    fine('redis.reachable', 'answers'),
    judgeVersion(version),
    judgeEviction(eviction),
    ...judgeWrites(facts),
  ];
}

function unknown(): Finding {
  return {
    check: 'redis.version',
    severity: 'note',
    found: 'INFO is not allowed: version and maxmemory-policy are not known',
    breaks: 'BullMQ needs Redis 6.2 and noeviction; whether it has them cannot be told.',
    mend: 'Allow INFO to the relay’s user, or check both by hand.',
  };
}

function judgeVersion(version: string): Finding {
  const check = 'redis.version';
  const found = `Redis ${version}`;
  const mend = 'Update Redis to 6.2 or later.';
  if (isBelow(version, versionMin)) {
    const breaks = 'BullMQ refuses it: no job is ever run.';
    return { check, severity: 'error', found, breaks, mend };
  }
  if (isBelow(version, versionAdvised)) {
    const breaks = 'BullMQ is made for 6.2 or later; some of its commands may fail.';
    return { check, severity: 'warning', found, breaks, mend };
  }
  return fine(check, found);
}

function isBelow(version: string, [major, minor]: readonly [number, number]): boolean {
  const [givenMajor = 0, givenMinor = 0] = version.split('.').map(Number);
  return givenMajor < major || (givenMajor === major && givenMinor < minor);
}

function judgeEviction(policy: string): Finding {
  const check = 'redis.eviction';
  if (policy === 'noeviction') return fine(check, 'maxmemory-policy noeviction');
  return {
    check,
    severity: 'warning',
    found: `maxmemory-policy ${policy}`,
    breaks: 'A full Redis throws jobs away: wake-ups are late and retries start over; no loss.',
    mend: '`CONFIG SET maxmemory-policy noeviction`, and the same in redis.conf.',
  };
}

/**
 * That a full one is a warning: like one that is away, it may be back by itself. A replica stays
 * one, as a version that is refused stays what it is.
 */
function judgeWrites({ role, memory, eviction }: Answering): Finding[] {
  const check = 'redis.writes';
  if (role === null) return []; // INFO does not tell
  if (role === 'replica') return [judgeReplica()];
  if (role === 'writable replica') {
    const breaks = 'What is written to it is gone when it copies its master: wake-ups are late.';
    const found = 'a replica that takes writes of its own';
    return [{ check, severity: 'warning', found, breaks, mend: 'Name the master in the URL.' }];
  }
  // Every other policy throws something away instead, which redis.eviction is about.
  const full = memory !== null && eviction === 'noeviction' && memory.usedBytes >= memory.maxBytes;
  if (!full) return [fine(check, 'a master with room for writes')];
  const [used, max] = [memory.usedBytes, memory.maxBytes].map((bytes) => sizeOf(BigInt(bytes)));
  const found = `full: ${used} used, maxmemory is ${max}`;
  const breaks = 'Wake-ups cannot be written; the relay drains without Redis until there is room.';
  return [{ check, severity: 'warning', found, breaks, mend: 'Raise maxmemory, or free some.' }];
}

function judgeReplica(): Finding {
  return {
    check: 'redis.writes',
    severity: 'error',
    found: 'a replica, which takes no writes',
    breaks: 'Wake-ups cannot be written; the relay drains without Redis, and shows no jobs.',
    mend: 'Name the master in the URL, or `REPLICAOF NO ONE` where a failover was meant.',
  };
}

/** What the doctor says of a Redis that is away, old, silent about itself, or evicts. */
import { join } from 'node:path';
import { diagnose } from 'outbox-relay';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nowhere, said } from '../support/doctor.ts';
import { OldRedis } from '../support/old-redis.ts';
import { freePort } from '../support/ports.ts';
import { RedisServer } from '../support/redis.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server?.stop());

/** There is no file and no Kafka: Redis is asked all the same. */
const diagnosisOf = async (redis: string | null) =>
  diagnose({ db: join('nowhere', 'shop.db'), brokers: [await nowhere()], redis });

describe('a Redis', () => {
  it('that evicts', async () => {
    await server.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      const diagnosis = await diagnosisOf(server.url);
      expect(said(diagnosis, 'redis.eviction')).toEqual(['warning: maxmemory-policy allkeys-lru']);
    } finally {
      await server.client.config('SET', 'maxmemory-policy', 'noeviction');
    }
  });

  it('that is away or wants a password, and none', async () => {
    const away = await diagnosisOf(`redis://${await nowhere()}`);
    expect(said(away, 'redis.reachable')[0]).toMatch(/^warning: no answer \(ECONNREFUSED/);
    const stranger = await diagnosisOf(server.url.replace('//', '//somebody:the-secret@'));
    expect(said(stranger, 'redis.reachable')[0]).toMatch(/^warning: no answer \(WRONGPASS/);
    expect(JSON.stringify(stranger)).not.toContain('the-secret');
    const without = await diagnosisOf(null);
    expect(said(without, 'redis.reachable')[0]).toMatch(/^ok: not configured/);
  });

  it('that is a replica: it takes no wake-ups, or loses them', async () => {
    await server.client.replicaof('127.0.0.1', await freePort());
    try {
      const found = async () => said(await diagnosisOf(server.url), 'redis.writes');
      expect(await found()).toEqual(['error: a replica, which takes no writes']);
      await server.client.config('SET', 'replica-read-only', 'no');
      expect(await found()).toEqual(['warning: a replica that takes writes of its own']);
    } finally {
      await server.client.config('SET', 'replica-read-only', 'yes');
      await server.client.replicaof('NO', 'ONE');
    }
  });

  it('that is full', async () => {
    await server.client.config('SET', 'maxmemory', '100kb');
    try {
      const [found] = said(await diagnosisOf(server.url), 'redis.writes');
      expect(found).toMatch(/^warning: full: \S+ [KM]iB used, maxmemory is 100 KiB$/);
      await server.client.config('SET', 'maxmemory', '1gb');
      const room = await diagnosisOf(server.url);
      expect(said(room, 'redis.writes')).toEqual(['ok: a master with room for writes']);
    } finally {
      await server.client.config('SET', 'maxmemory', '0');
    }
  });

  it('that does not let this user ask how it is set up', async () => {
    await server.client.acl('SETUSER', 'relay', 'on', '>word', '~*', '&*', '+@all', '-info');
    try {
      const diagnosis = await diagnosisOf(server.url.replace('//', '//relay:word@'));
      expect(said(diagnosis, 'redis.reachable')).toEqual(['ok: answers']);
      expect(said(diagnosis, 'redis.version')).toEqual([
        'note: INFO is not allowed: version and maxmemory-policy are not known',
      ]);
      expect(said(diagnosis, 'redis.eviction')).toEqual([]);
      expect(said(diagnosis, 'redis.writes')).toEqual([]);
    } finally {
      await server.client.acl('DELUSER', 'relay');
    }
  });

  it.each([
    ['4.0.14', 'error'],
    ['6.0.16', 'warning'],
    ['6.2.0', 'ok'],
  ])('of version %s: %s', async (version, severity) => {
    const old = await OldRedis.start(version);
    try {
      const diagnosis = await diagnosisOf(old.url);
      expect(said(diagnosis, 'redis.version')).toEqual([`${severity}: Redis ${version}`]);
      expect(said(diagnosis, 'redis.eviction')).toEqual(['ok: maxmemory-policy noeviction']);
      expect(said(diagnosis, 'redis.writes')).toEqual([]); // it does not tell its role
    } finally {
      await old.stop();
    }
  });
});

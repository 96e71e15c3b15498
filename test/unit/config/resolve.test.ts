import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { optionEntries } from '../../../src/config/entries.ts';
import type { Fault } from '../../../src/config/fault.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { OutboxRelayError } from '../../../src/core/errors.ts';

const minimal = { db: 'shop.db', brokers: ['kafka:9092'] };

function faultsOf(options: unknown): readonly Fault[] {
  try {
    resolveConfig(options);
  } catch (error) {
    expect(error).toBeInstanceOf(OutboxRelayError);
    expect((error as OutboxRelayError).code).toBe('CONFIG_INVALID');
    const faults = (error as OutboxRelayError).details['faults'] as Fault[];
    for (const { path } of faults) expect((error as Error).message).toContain(path);
    return faults;
  }
  return [];
}

const told = (options: unknown) =>
  faultsOf(options).map(({ path, problem, received }) => {
    return received === undefined ? `${path} ${problem}` : `${path} ${problem}: ${received}`;
  });

describe('defaults', () => {
  it('are the documented ones', () => {
    expect(resolveConfig(minimal)).toEqual({
      db: 'shop.db',
      brokers: ['kafka:9092'],
      clientId: 'outbox-relay',
      redis: null,
      redisPrefix: '{outbox-relay}',
      retry: { retries: 60, delayMs: 5_000, backoff: 'fixed', maxDelayMs: 300_000, jitter: 0 },
      deadLetter: { order: 'block', topic: null },
      delivery: 'at-least-once',
      bounds: {},
      governor: { eventsPerSecond: null, bytesPerSecond: null },
      security: { tls: null, login: null },
      compression: 'none',
      createTopics: 'broker',
      batchEvents: 1_000,
      batchBytes: 4_194_304,
      batchPartitionBytes: 800_000,
      recordBytesMax: 1_000_000,
      sendTimeoutMs: 20_000,
      leaseMs: 30_000,
      pollMs: 5,
      drainSliceMs: 5_000,
      retentionMs: 3_600_000,
      stopDeadlineMs: 10_000,
      headers: true,
      source: null,
      lanes: undefined,
      logLevel: 'info',
      migrate: 'auto',
    });
  });

  it('fill what a partial retry policy leaves out', () => {
    const { retry } = resolveConfig({ ...minimal, retry: { retries: 0 } });
    expect(retry).toMatchObject({ retries: 0, delayMs: 5_000, backoff: 'fixed' });
  });

  it('the result is frozen through and through, and no alias of the options', () => {
    const options = { ...minimal, createTopics: { partitions: 6, replicationFactor: 3 } };
    const config = resolveConfig(options);
    const deep = [config, config.brokers, config.retry, config.createTopics];
    expect(deep.map((part) => Object.isFrozen(part))).toEqual([true, true, true, true]);
    options.brokers.push('other:1');
    expect(config.brokers).toEqual(['kafka:9092']);
    options.brokers.pop();
  });
});

describe('faults', () => {
  it('are told all at once, with path and value', () => {
    const options = {
      brokers: ['kafka'],
      retry: { retries: -1, delay: 5 },
      createTopics: 'maybe',
      batchEvents: 1.5,
      batchBytes: 2_000,
      batchPartitionBytes: 3_000,
      headers: 'yes',
      leaseMs: 20_000,
    };
    expect(told(options).sort()).toEqual([
      'batchEvents must be a whole number: 1.5',
      'batchPartitionBytes must not exceed batchBytes (2000): 3000',
      'brokers.0 must be host:port: "kafka"',
      'createTopics must be "broker", "never" or ' +
        '{"partitions": N, "replicationFactor": N}: "maybe"',
      'db must be given (--db or OUTBOX_RELAY_DB)',
      'headers must be true or false: "yes"',
      'leaseMs must be 25000 or more: sendTimeoutMs (20000) and a quarter: 20000',
      'retry.delay is not an option; retry.delayMs is',
      'retry.retries must be 0 or more: -1',
    ]);
  });

  it.each([null, undefined, 7, 'db', [], true])('options that are none: %j', (options) => {
    expect(faultsOf(options).map(({ path }) => path)).toEqual(['options']);
  });

  it.each([
    ['bachEvents', 'batchEvents'],
    ['lease', 'leaseMs'],
    ['Brokers', 'brokers'],
    ['retries', 'retry.retries'],
  ])('an unknown option %s suggests %s', (name, meant) => {
    expect(told({ ...minimal, [name]: 1 })).toEqual([`${name} is not an option; ${meant} is`]);
  });

  it('an option far from all others suggests nothing', () => {
    expect(told({ ...minimal, kubernetesNamespace: 1 })).toEqual([
      'kubernetesNamespace is not an option',
    ]);
  });

  it.each([
    ['127.0.0.1:9092', null],
    ['kafka-1.example.com:65535', null],
    ['kafka', 'must be host:port'],
    ['kafka:', 'must be host:port'],
    [':9092', 'must be host:port'],
    ['kafka:port', 'must be host:port'],
    ['kafka:0', 'must have a port from 1 to 65535'],
    ['kafka:65536', 'must have a port from 1 to 65535'],
    ['PLAINTEXT://kafka:9092', 'must be host:port; an IPv6 address needs a host name'],
    ['[::1]:9092', 'must be host:port; an IPv6 address needs a host name'],
    ['::1:9092', 'must be host:port; an IPv6 address needs a host name'],
    ['a:1,b:2', 'must be host:port; an IPv6 address needs a host name'],
    ['a b:1', 'must be host:port'],
    ['user@kafka:1', 'must be host:port'],
  ])('broker %s', (broker, problem) => {
    const expected = problem === null ? [] : [`brokers.0 ${problem}: "${broker}"`];
    expect(told({ db: 'x', brokers: [broker] })).toEqual(expected);
  });

  it.each([
    [{ brokers: [] }, 'brokers must have 1 entries or more: []'],
    [{ brokers: ['a:1', 'b:1', 'a:1'] }, 'brokers.2 is given twice: "a:1"'],
    [{ brokers: 'a:1' }, 'brokers must be a list: "a:1"'],
    [{ db: '' }, 'db must have 1 characters or more: ""'],
    [{ lanes: 257 }, 'lanes must be 256 or less: 257'],
    [{ lanes: 0 }, 'lanes must be 1 or more: 0'],
    [{ pollMs: Number.NaN }, 'pollMs must be a number: NaN'],
    [{ pollMs: '25' }, 'pollMs must be a number: "25"'],
    [{ retry: 3 }, 'retry must be options by name: 3'],
    [{ retry: { jitter: 1.1 } }, 'retry.jitter must be 1 or less: 1.1'],
    [{ retry: { backoff: 'linear' } }, 'retry.backoff must be "fixed", "exponential": "linear"'],
    [
      { retry: { backoff: 'exponential', delayMs: 10, maxDelayMs: 9 } },
      'retry.maxDelayMs must not be below retry.delayMs (10): 9',
    ],
    [
      { createTopics: { partitions: 0, replicationFactor: 1 } },
      'createTopics.partitions must be 1 or more: 0',
    ],
    [
      { batchBytes: 800_000, batchPartitionBytes: 800_001 },
      'batchPartitionBytes must not exceed batchBytes (800000): 800001',
    ],
    [
      { sendTimeoutMs: 1_000, leaseMs: 1_249 },
      'leaseMs must be 1250 or more: sendTimeoutMs (1000) and a quarter: 1249',
    ],
    [
      { sendTimeoutMs: 24_001 },
      'leaseMs must be 30002 or more: sendTimeoutMs (24001) and a quarter: 30000',
    ],
  ])('%j', (options, expected) => {
    expect(told({ ...minimal, ...options })).toEqual([expected]);
  });

  it.each([
    { retry: { backoff: 'fixed', delayMs: 10, maxDelayMs: 9 } }, // no effect, no fault
    { batchBytes: 800_000, batchPartitionBytes: 800_000 },
    { sendTimeoutMs: 1_000, leaseMs: 1_250 },
    { redis: null, source: null },
    { lanes: 256 },
    { redis: 'rediss://user:p%40ss@redis.example.com:6380/2' },
  ])('just right: %j', (options) => {
    expect(told({ ...minimal, ...options })).toEqual([]);
  });
});

describe('secrets', () => {
  it.each([
    ['http://user:hunter2@redis:1', '"http://user:***@redis:1"'],
    ['http://:hunter2@redis:1', '"http://:***@redis:1"'],
    ['http://user:hun@ter2@redis:1', '"http://user:***@redis:1"'],
    ['http://redis:1/?password=hunter2&db=3', '"http://redis:1/?password=***&db=3"'],
    ['hunter2', '***'],
    ['hunter2@redis', '***'],
  ])('%s is never shown', (redis, received) => {
    const faults = faultsOf({ ...minimal, redis });
    expect(faults).toEqual([
      {
        path: 'redis',
        problem: 'must be a redis:// or rediss:// URL',
        received,
        origin: undefined,
      },
    ]);
    expect(JSON.stringify(faults)).not.toMatch(/hun|ter2/);
  });

  it('nor when it stands in the wrong place', () => {
    const url = 'redis://user:hunter2@redis:1';
    const options = { db: 7, brokers: [url], clientId: { url }, [url]: 1 };
    expect(JSON.stringify(faultsOf(options))).not.toContain('hunter2');
    expect(JSON.stringify(faultsOf([url]))).not.toContain('hunter2');
  });
});

it('whatever is given, the answer is a configuration or faults with paths', () => {
  const names = optionEntries.map(({ path }) => path[0] as string);
  const value = fc.oneof(fc.anything(), fc.integer(), fc.string(), fc.boolean(), fc.constant([]));
  const options = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value);
  fc.assert(
    fc.property(options, (given) => {
      for (const { path, problem } of faultsOf({ ...minimal, ...given })) {
        expect(path).not.toBe('');
        expect(problem).not.toMatch(/undefined|\[object/);
      }
    }),
  );
});

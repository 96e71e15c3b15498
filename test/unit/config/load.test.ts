import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { optionEntries } from '../../../src/config/entries.ts';
import { loadOptions } from '../../../src/config/load.ts';
import { resolveFile, resolveLoaded } from '../../../src/config/resolve.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-load-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const minimal = { OUTBOX_RELAY_DB: 'shop.db', OUTBOX_RELAY_BROKERS: 'kafka:9092' };
const load = (given: { file?: string; env?: object; flags?: object }) =>
  loadOptions({ file: given.file, env: { ...given.env }, flags: { ...given.flags } });

describe('every option', () => {
  it('has its own variable and flag, derived from its name', () => {
    const names = optionEntries.map(({ env, facts }) => [env, facts.flag]);
    expect(new Set(names.map(([env]) => env)).size).toBe(names.length);
    expect(new Set(names.map(([, flag]) => flag)).size).toBe(names.length);
    for (const [env, flag] of names) {
      expect(env).toMatch(/^OUTBOX_RELAY_[A-Z]+(_[A-Z]+)*$/);
      expect(flag).toMatch(/^[a-z]+(-[a-z]+)*$/);
    }
    const path = (env: string) => optionEntries.find((one) => one.env === env)?.path;
    expect(path('OUTBOX_RELAY_RETRY_MAX_DELAY_MS')).toEqual(['retry', 'maxDelayMs']);
  });

  it.each(optionEntries.map((entry) => [entry.path.join('.'), entry] as const))(
    '%s can be given in a file, in the environment and as a flag, the later winning',
    (path, entry) => {
      const [first, second, third] = valuesOf(path);
      const file = fileOf('all.json', JSON.stringify(nest(path, first)));
      const at = (sources: Parameters<typeof load>[0]) => {
        const { options } = load({ file, ...sources });
        return path.split('.').reduce<unknown>((from, name) => (from as never)?.[name], options);
      };
      const env = { [entry.env]: textOf(second) };
      expect(at({})).toEqual(first);
      expect(at({ env })).toEqual(second);
      expect(at({ env, flags: { [entry.facts.flag]: textOf(third) } })).toEqual(third);
    },
  );
});

describe('a base', () => {
  const base = { options: { db: 'a', retry: { retries: 1, delayMs: -2 } }, origin: 'e.yml' };

  it('gives way to the file, the environment and flags, option by option', () => {
    const file = fileOf('over.json', '{"clientId": "c", "retry": {"retries": 3}}');
    const env = { OUTBOX_RELAY_BROKERS: 'k:1' };
    const { options } = loadOptions({ base, file, env, flags: { db: 'b' } });
    const retry = { retries: 3, delayMs: -2 };
    expect(options).toEqual({ db: 'b', brokers: ['k:1'], clientId: 'c', retry });
    expect(base.options).toEqual({ db: 'a', retry: { retries: 1, delayMs: -2 } });
  });

  it('is named by a fault that is its own, and by no other', () => {
    const fault = (flags: Record<string, string>) => {
      const loaded = loadOptions({ base, file: undefined, env: {}, flags });
      return () => resolveLoaded({ ...loaded, options: { brokers: ['k:1'], ...loaded.options } });
    };
    expect(fault({})).toThrow('retry.delayMs (e.yml): must be 0 or more, not -2');
    expect(fault({ delay: '-3' })).toThrow('retry.delayMs (--delay): must be 0 or more, not -3');
  });
});

/** Three legal values of an option. */
function valuesOf(path: string): readonly [unknown, unknown, unknown] {
  switch (path) {
    case 'brokers':
      return [['a:1'], ['b:1', 'c:2'], ['d:1']];
    case 'redis':
      return ['redis://a', 'redis://b', 'rediss://c'];
    case 'headers':
    case 'kafka.ssl':
    case 'kafka.ssl.checkHostname':
      return [true, false, true];
    case 'kafka.sasl.mechanism':
      return ['PLAIN', 'scram-sha-256', 'Gssapi'];
    case 'kafka.sasl.tokenEndpoint':
      return ['https://a/token', 'http://b/token', 'https://c/token'];
    case 'kafka.compression':
      return ['lz4', 'zstd', 'none'];
    case 'deadLetter.order':
      return ['continue', 'block', 'continue'];
    case 'retry.backoff':
      return ['fixed', 'exponential', 'fixed'];
    case 'retry.jitter':
      return [0, 0.5, 1];
    case 'logLevel':
      return ['info', 'warn', 'debug'];
    case 'createTopics':
      return ['never', { partitions: 6, replicationFactor: 3 }, 'broker'];
    case 'db':
    case 'clientId':
    case 'redisPrefix':
    case 'source':
    case 'deadLetter.topic':
      return ['text', '17', 'true']; // stays text, whatever it looks like
    default:
      if (path.startsWith('kafka.')) return ['text', '17', 'true'];
      return [100_000, 100_001, 100_002];
  }
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function nest(path: string, value: unknown): object {
  return path.split('.').reduceRight<object>(
    (inner, name) => ({ [name]: inner }),
    value as object, // the innermost: anything
  );
}

describe('a group that can be switched on as a whole', () => {
  const ssl = (sources: Parameters<typeof load>[0]) =>
    (load(sources).options['kafka'] as { ssl: unknown }).ssl;

  it('keeps what a file has in it when a flag switches it on, and is empty when it is off', () => {
    const file = fileOf('ssl.yml', 'kafka: { ssl: { caFile: ca.pem } }');
    expect(ssl({ file, flags: { 'kafka-ssl': 'true' } })).toEqual({ caFile: 'ca.pem' });
    expect(ssl({ file, flags: { 'kafka-ssl': 'false' } })).toBe(false);
  });

  it('is on when only a part of it is given', () => {
    const env = { OUTBOX_RELAY_KAFKA_SSL: 'true', OUTBOX_RELAY_KAFKA_SSL_CA_FILE: 'ca.pem' };
    expect(ssl({ env })).toEqual({ caFile: 'ca.pem' });
    expect(ssl({ flags: { 'kafka-ssl-ca-file': 'ca.pem' } })).toEqual({ caFile: 'ca.pem' });
  });
});

describe('the environment', () => {
  it.each([
    ['OUTBOX_RELAY_BATCH_EVENTS', '500', 500],
    ['OUTBOX_RELAY_RETENTION_MS', '0', 0],
    [
      'OUTBOX_RELAY_BATCH_EVENTS',
      '',
      'batchEvents (OUTBOX_RELAY_BATCH_EVENTS): must be a number, not ""',
    ],
    ['OUTBOX_RELAY_BATCH_EVENTS', 'many', 'must be a number, not "many"'],
    ['OUTBOX_RELAY_BATCH_EVENTS', '1e3', 'must be a number, not "1e3"'],
    ['OUTBOX_RELAY_BATCH_EVENTS', '0x10', 'must be a number, not "0x10"'],
    ['OUTBOX_RELAY_BATCH_EVENTS', '5s', 'must be a number, not "5s"'],
    ['OUTBOX_RELAY_BATCH_EVENTS', ' 5', 'must be a number, not " 5"'],
    ['OUTBOX_RELAY_BATCH_EVENTS', '1_000', 'must be a number, not "1_000"'],
    ['OUTBOX_RELAY_BATCH_EVENTS', '1.5', 'must be a whole number, not 1.5'],
    ['OUTBOX_RELAY_BATCH_EVENTS', 'NaN', 'must be a number, not "NaN"'],
    ['OUTBOX_RELAY_BATCH_EVENTS', '-1', 'must be 1 or more, not -1'],
    ['OUTBOX_RELAY_BATCH_EVENTS', '999999999999999999999', 'batchEvents'],
    ['OUTBOX_RELAY_HEADERS', 'false', false],
    ['OUTBOX_RELAY_HEADERS', '1', 'must be true or false, not 1'],
    ['OUTBOX_RELAY_HEADERS', 'no', 'must be true or false, not "no"'],
    ['OUTBOX_RELAY_CREATE_TOPICS', '{"partitions": 1', 'createTopics'],
    ['OUTBOX_RELAY_REDIS', '', 'redis'],
    ['OUTBOX_RELAY_REDIS', 'localhost:6379', 'must be a redis:// or rediss:// URL, not ***'],
    ['OUTBOX_RELAY_BROKERS', '', 'brokers.0 (OUTBOX_RELAY_BROKERS): must be host:port, not ""'],
    ['OUTBOX_RELAY_BROKERS', 'a:1,', 'brokers.1 (OUTBOX_RELAY_BROKERS): must be host:port'],
    ['OUTBOX_RELAY_BATCH_EVENT', '5', 'is not an option; OUTBOX_RELAY_BATCH_EVENTS is'],
    ['OUTBOX_RELAY_X', '5', 'OUTBOX_RELAY_X (environment): is not an option'],
  ])('%s=%s', (name, text, expected) => {
    const resolve = () => resolveLoaded(load({ env: { ...minimal, [name]: text } }));
    if (typeof expected === 'string') return expect(resolve).toThrow(expected);
    expect(Object.values(resolve())).toContainEqual(expected);
  });

  it('leaves the variables of others alone', () => {
    const env = { ...minimal, OUTBOX_RELAY_CONFIG: 'x', OUTBOX_RELAY_NO_INSTALL: '1', PATH: '/' };
    expect(load({ env }).faults).toEqual([]);
    expect(load({ env: { OUTBOX_RELAY_TEST_SESSION: 's' } }).faults).toEqual([]);
  });

  it('tells all faults of all sources at once, each with its source', () => {
    const file = fileOf('faults.yml', 'batchBytes: lots\nretry:\n  retrys: 1\n');
    const env = { OUTBOX_RELAY_POLL: '5', OUTBOX_RELAY_LANES: '0' };
    const flags = { delay: 'soon', brokers: 'kafka' };
    expect(() => resolveLoaded(load({ file, env, flags }))).toThrow(
      [
        'OUTBOX_RELAY_POLL (environment): is not an option; OUTBOX_RELAY_POLL_MS is',
        'brokers.0 (--brokers): must be host:port, not "kafka"',
        'retry.delayMs (--delay): must be a number, not "soon"',
        `retry.retrys (${file}): is not an option; retry.retries is`,
        `batchBytes (${file}): must be a number, not "lots"`,
        'lanes (OUTBOX_RELAY_LANES): must be 1 or more, not 0',
        'db: must be given (--db or OUTBOX_RELAY_DB)',
      ].join('; '),
    );
  });
});

describe('the file', () => {
  it('is YAML', () => {
    const text = `
# a relay
db: shop.db
brokers: [a:1, "b:2"]
retry: { retries: 3, delayMs: 1000 }
createTopics:
  partitions: 6
  replicationFactor: 3
headers: false
`;
    const config = resolveLoaded(load({ file: fileOf('relay.yml', text) }));
    expect(config).toMatchObject({
      db: 'shop.db',
      brokers: ['a:1', 'b:2'],
      retry: { retries: 3, delayMs: 1_000 },
      createTopics: { partitions: 6, replicationFactor: 3 },
      headers: false,
    });
  });

  it('may hold nothing but comments', () => {
    expect(load({ file: fileOf('empty.yml', '# db: shop.db\n') }).options).toEqual({});
  });

  it.each([
    ['twice.yml', 'db: a\ndb: b\n', /twice\.yml: Map keys must be unique at line 2, column 1/],
    ['alias.yml', 'db: a\nsource: *topSecret9\n', /alias\.yml: a value begins with \*/],
    ['tag.yml', 'db: !abc x\n', /tag\.yml: Unresolved tag/],
    ['twice.json', '{"db": "a",\n "db": "b"}', /twice\.json: Map keys must be unique at line 2/],
    ['cut.json', '{"db": "a"', /cut\.json: /],
    ['comment.json', '{"db": "a" # no JSON\n}', /comment\.json: /],
    ['list.yml', '- db\n', /list\.yml: must hold options by name/],
    ['text.yml', 'shop.db\n', /text\.yml: must hold options by name/],
    ['broken.yml', 'redis: "redis://u:hunter2@h\n', /broken\.yml: /],
  ])('%s is refused', (name, text, message) => {
    const file = fileOf(name, text);
    expect(() => load({ file })).toThrow(message);
    expect(() => load({ file })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => load({ file })).not.toThrow(/hunter2/);
  });

  it('that is not there is refused', () => {
    expect(() => load({ file: join(folder, 'none.yml') })).toThrow(/ENOENT.*none\.yml/);
  });

  it('serves commands that need no Kafka, and its faults are told there as well', () => {
    const good = fileOf('shared.yml', 'db: shop.db\nretry: { retries: 3 }\nlanes: 4\n');
    expect(resolveFile(load({ file: good }))).toEqual({
      db: 'shop.db',
      lanes: 4,
      migrate: 'auto',
      recordBytesMax: 1_000_000,
      bounds: {},
    });
    const bad = fileOf('bad.yml', 'db: shop.db\nretries: 3\n');
    expect(() => resolveFile(load({ file: bad }))).toThrow(/retries .*retry\.retries is/);
    expect(() => resolveFile(load({}))).toThrow('db: must be given (--db or OUTBOX_RELAY_DB)');
  });
});

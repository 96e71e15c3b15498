/** `outbox-relay doctor` with a real file, Kafka and Redis: in order, and Kafka in trouble. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { type Diagnosis, diagnose, openOutbox, type RelayOptions } from 'outbox-relay';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CommandLine } from '../support/cli.ts';
import { nowhere, said } from '../support/doctor.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { OldKafka } from '../support/old-kafka.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';
import { RedisServer } from '../support/redis.ts';

let kafka: KafkaBroker;
/** In front of the broker: the address that it advertises. */
let proxy: TcpProxy;
let redis: RedisServer;
let cli: CommandLine;
let topic: string;

beforeAll(async () => {
  proxy = await TcpProxy.listen(await freePort());
  const { address: advertised } = proxy;
  [kafka, redis] = await Promise.all([KafkaBroker.start({ advertised }), RedisServer.start()]);
  proxy.forwardTo(kafka.container.port);
});
afterAll(() => Promise.all([kafka?.stop(), redis?.stop(), proxy?.close()]));
beforeEach(async () => {
  cli = new CommandLine();
  topic = `doctor-${crypto.randomUUID()}`;
  const outbox = openOutbox({ path: cli.db });
  outbox.enqueue({ topic, key: 'k', value: 'v' });
  await outbox.close();
  chmodSync(cli.db, 0o600);
});
afterEach(() => cli.close());

const options = (given: Partial<RelayOptions> = {}): RelayOptions => {
  return { db: cli.db, brokers: [kafka.address], redis: redis.url, ...given };
};

/** What a writer would leave. By name: opening the file would drop SQLite's locks on it. */
function traces() {
  const names = readdirSync(cli.folder).sort();
  return names.map((name) => {
    const { mtimeNs, size } = statSync(cli.path(name), { bigint: true });
    return `${name} ${size} ${name.endsWith('-shm') ? '' : mtimeNs}`; // readers write their marks
  });
}

function alter(sql: string): void {
  const db = new Database(cli.db);
  db.exec(sql);
  db.close();
}

describe('the doctor', () => {
  it('has nothing against an outbox, a Kafka and a Redis that are in order', async () => {
    await kafka.createTopic(topic, 3);
    alter(`INSERT INTO outbox_topics VALUES ('${topic}', 3)`);
    const before = traces();
    const diagnosis = await diagnose(options());
    const bad = diagnosis.findings.filter(({ check, severity }) => {
      // The disk and the mount are this machine's; a single broker is told by a note.
      return severity !== 'ok' && severity !== 'note' && !/^file\.(disk|system)$/.test(check);
    });
    expect(bad).toEqual([]);
    expect(said(diagnosis, 'kafka.version')).toEqual([
      expect.stringMatching(/^ok: Kafka (4|3)\.\d/),
    ]);
    expect(said(diagnosis, 'kafka.settings')).toEqual([expect.stringMatching(/^ok/)]);
    expect(said(diagnosis, 'kafka.offsets_retention')).toEqual([
      'ok: offsets.retention.minutes 10080',
    ]);
    expect(said(diagnosis, 'kafka.auto_create')).toEqual([
      'note: auto.create.topics.enable is true',
    ]);
    expect(said(diagnosis, 'kafka.topics')).toEqual(['ok: 1 of 1 topics are there']);
    expect(said(diagnosis, 'kafka.replicas')).toEqual([
      `note: ${topic}: one replica, on the only broker`,
    ]);
    expect(said(diagnosis, 'redis.version')).toEqual([expect.stringMatching(/^ok: Redis \d/)]);
    expect(said(diagnosis, 'redis.eviction')).toEqual(['ok: maxmemory-policy noeviction']);
    expect(said(diagnosis, 'redis.writes')).toEqual(['ok: a master with room for writes']);
    expect(traces()).toEqual(before);
  });

  it('leaves file and log of an outbox that is in use as they are', async () => {
    const outbox = openOutbox({ path: cli.db });
    outbox.enqueue({ topic: 'another', value: 'v' });
    const before = traces();
    const { findings } = await diagnose(options({ brokers: [await nowhere()], redis: null }));
    expect(findings.filter(({ check }) => check === 'file.open')).toMatchObject([
      { severity: 'ok' },
    ]);
    expect(traces()).toEqual(before);
    await outbox.close();
  });

  it('finds a Kafka that is away, and says nothing more about it', async () => {
    const diagnosis = await diagnose(options({ brokers: [await nowhere()] }));
    expect(diagnosis).toMatchObject({ ok: false, worst: 'error' });
    const about = diagnosis.findings.filter(({ check }) => check.startsWith('kafka.'));
    expect(about).toMatchObject([{ check: 'kafka.reachable', severity: 'error' }]);
  });

  it('judges a missing topic by what the relay would do, and does not create it', async () => {
    const found = async (createTopics: NonNullable<RelayOptions['createTopics']>) =>
      said(await diagnose(options({ createTopics })), 'kafka.topics').at(-1);
    expect(await found('never')).toBe(`error: ${topic}: does not exist`);
    expect(await found('broker')).toBe(`warning: ${topic}: does not exist`);
    const given = { partitions: 3, replicationFactor: 1 };
    expect(await found(given)).toBe(`note: ${topic}: does not exist`);
    expect(await found('never')).toBe(`error: ${topic}: does not exist`);
  });

  it('warns of a topic that has grown since its keys were placed', async () => {
    await kafka.createTopic(topic, 4);
    alter(`INSERT INTO outbox_topics VALUES ('${topic}', 3)`);
    expect(said(await diagnose(options()), 'kafka.partitions')).toEqual([
      `warning: ${topic}: has 4 partitions, keys were placed over 3`,
    ]);
  });

  it('warns of a topic that was made anew with fewer partitions', async () => {
    await kafka.createTopic(topic, 2);
    alter(`INSERT INTO outbox_topics VALUES ('${topic}', 3)`);
    expect(said(await diagnose(options()), 'kafka.partitions')).toEqual([
      `warning: ${topic}: has 2 partitions, keys were placed over 3`,
    ]);
  });

  it('finds settings of a topic that refuse or risk its records', async () => {
    const settings = { 'min.insync.replicas': '2' };
    await kafka.createTopic(topic, 1, settings);
    const diagnosis = await diagnose(options());
    expect(said(diagnosis, 'kafka.min_in_sync')).toEqual([
      `error: ${topic}: min.insync.replicas 2 of 1 replicas`,
    ]);
    expect(said(diagnosis, 'kafka.in_sync')).toEqual(['ok: every replica is in sync']);
  });

  it('finds a topic that takes smaller events than the outbox does', async () => {
    await kafka.createTopic(topic, 1, { 'max.message.bytes': '500000' });
    expect(said(await diagnose(options()), 'kafka.message_bytes')).toEqual([
      `warning: ${topic}: max.message.bytes 500000, and events of up to 1000000 bytes are accepted`,
    ]);
    const smaller = await diagnose(options({ recordBytesMax: 499_939 }));
    expect(said(smaller, 'kafka.message_bytes')).toEqual([
      'ok: the largest event that is accepted fits',
    ]);
    const tooLarge = await diagnose(options({ recordBytesMax: 499_940 }));
    expect(said(tooLarge, 'kafka.message_bytes')).toEqual([expect.stringMatching(/^warning: /)]);
  });

  it('finds a broker that does not answer at the address it advertises', async () => {
    const { address } = proxy;
    await proxy.close();
    try {
      const [found] = said(await diagnose(options()), 'kafka.brokers');
      expect(found).toMatch(/^error: connected, but no broker answers at the address/);
      expect(found).toContain(address);
    } finally {
      proxy = await TcpProxy.listen(Number(address.split(':')[1]));
      proxy.forwardTo(kafka.container.port);
    }
  });

  it('finds a broker of a protocol that is too old, which tells no settings', async () => {
    const old = await OldKafka.start();
    try {
      const diagnosis = await diagnose(options({ brokers: [old.address] }));
      expect(said(diagnosis, 'kafka.version')).toEqual([
        'error: Kafka before 2.4, by its protocol; broker 1: no common Produce, InitProducerId',
      ]);
      expect(said(diagnosis, 'kafka.settings')).toEqual([
        expect.stringMatching(/^note: 1 of 1 brokers and topics do not tell theirs/),
      ]);
    } finally {
      await old.stop();
    }
  });

  it('finds a schema that is newer, and asks such a file nothing else', async () => {
    alter("INSERT INTO outbox_migrations VALUES (99, '0099_later.sql', 99, 0)");
    const diagnosis = await diagnose(options());
    expect(said(diagnosis, 'file.schema')[0]).toMatch(/^error: the file has schema 99/);
    expect(said(diagnosis, 'kafka.topics')).toEqual([
      'note: the outbox was not looked into: which topics it sends to is not known',
    ]);
  });

  it('refuses options that are wrong, as createRelay does', async () => {
    const wrong = { db: cli.db, brokers: [] };
    await expect(diagnose(wrong)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('the command', () => {
  const doctor = (...args: string[]) =>
    cli.run(['doctor', '--db', cli.db, '--brokers', kafka.address, ...args]);

  it('ends with 0, 6 or 7 by the worst finding, and says how to mend it', async () => {
    await kafka.createTopic(topic, 3);
    const fine = await doctor('--json');
    const { ok, worst, findings } = JSON.parse(fine.out) as Diagnosis;
    expect({ ok, code: fine.code }).toEqual(ok ? { ok, code: 0 } : { ok, code: 6 });
    expect(worst).not.toBe('error');
    expect(Object.keys(findings[0] ?? {})).toEqual([
      'check',
      'severity',
      'found',
      'breaks',
      'mend',
    ]);

    chmodSync(cli.db, 0o666);
    const warned = await doctor();
    expect(warned.code).toBe(6);
    expect(warned.out).toMatch(
      /^file\n(.*\n)* {2}warning {2}file\.mode +mode 0666: .*\n {11}breaks: .*\n {11}mend: chmod/m,
    );
    const ill = await cli.run(['doctor', '--db', cli.db, '--brokers', await nowhere()]);
    expect(ill.code).toBe(7);
    expect([ill.err, warned.err, fine.err]).toEqual(['', '', '']);
  });

  it('ends soon after its last word: nothing is left open', async () => {
    const url = `redis://${await nowhere()}`;
    const asked = ['--db', cli.db, '--brokers', await nowhere(), '--redis', url];
    const child = cli.start(['doctor', ...asked]);
    await child.line('kafka.reachable');
    const saidMs = performance.now();
    await child.ended;
    expect(performance.now() - saidMs).toBeLessThan(2_000); // main.ts waits that long for leftovers
  });

  it('is what run says in its log, once, beside its work', async () => {
    chmodSync(cli.db, 0o666);
    const url = `redis://${await nowhere()}`;
    const child = cli.start(
      ['run', '--db', cli.db, '--brokers', kafka.address].concat('--redis', url),
    );
    const mode = JSON.parse(await child.line('"check":"file.mode"')) as Record<string, unknown>;
    expect(mode).toMatchObject({
      level: 40,
      severity: 'warning',
      msg: 'mode 0666: others may write',
    });
    await child.line('"check":"redis.reachable"');
    child.signal('SIGTERM');
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.lines.filter((line) => line.includes('"check":"file.mode"'))).toHaveLength(1);
    expect(child.lines.join('\n')).not.toMatch(/"severity":"(ok|note)"/);
  });

  it('does not hold up a run that is told to stop while it still asks', async () => {
    const silent = await TcpProxy.listen(await freePort());
    silent.swallow();
    const idle = cli.path('idle.db'); // a send under way takes the relay its own time
    const child = cli.start(['run', '--db', idle, '--brokers', silent.address]);
    await child.line('"msg":"started"');
    const start = performance.now();
    child.signal('SIGTERM');
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(child.lines.join('\n')).not.toContain('kafka.reachable');
    await silent.close();
  });
});

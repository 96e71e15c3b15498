/** examples/rasa: events that Python writes through the table contract, and a relay delivers. */
import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Child, root } from '../support/child.ts';
import { CommandLine } from '../support/cli.ts';
import { type Consumed, KafkaBroker } from '../support/kafka.ts';

const events = readFileSync(`${root}test/golden/rasa-events.jsonl`, 'utf8').trimEnd().split('\n');
const endpoints = readFileSync(`${root}examples/rasa/endpoints.yml`, 'utf8');
const { type } = (parse(endpoints) as { event_broker: { type: string } }).event_broker;

let kafka: KafkaBroker;
let cli: CommandLine;
let children: Child[];
let topic: string;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());
beforeEach(() => {
  cli = new CommandLine();
  children = [];
  topic = `rasa-${crypto.randomUUID()}`;
});
afterEach(async () => {
  for (const child of children) await child.kill();
  await cli.close();
});

const migrate = (...more: string[]) => cli.run(['migrate', '--db', cli.db, ...more]);

/** A Rasa, as far as its event broker can tell. */
function rasa(kwargs: object = {}, env: Record<string, string> = {}): Child {
  const given = { url: kafka.address, outbox_path: cli.db, topic, ...kwargs };
  const args = [`${root}test/support/rasa_host.py`, type, JSON.stringify(given)];
  const path = { PYTHONPATH: `${root}examples/rasa`, PYTHONDONTWRITEBYTECODE: '1' };
  const child = new Child('python3', args, { env: { ...path, ...env }, stdin: 'pipe' });
  children.push(child);
  return child;
}

async function publish(child: Child, lines: readonly string[]): Promise<string[]> {
  child.end(lines.map((line) => `${line}\n`).join(''));
  await child.ended;
  return child.lines.slice(1);
}

describe('a Rasa in Python', () => {
  it('stores events that the relay of its own endpoints.yml delivers, byte for byte', async () => {
    await migrate();
    await kafka.createTopic(topic, 3);
    const child = rasa({ partition_by_sender: true }, { RASA_ENVIRONMENT: 'test' });
    expect(await publish(child, events)).toEqual(events.map(() => 'stored'));

    const file = cli.write(
      'endpoints.yml',
      endpoints.replace('./rasa-events.db', cli.db).replace('127.0.0.1:9092', kafka.address),
    );
    const relay = cli.start(['run', '--endpoints', file]);
    const records = await kafka.consume(topic, events.length);
    // All of one sender: one key, one partition, in the order of publishing.
    expect(records.map(({ value }) => String(value))).toEqual(events);
    const { sender_id } = JSON.parse(events[0] ?? '') as { sender_id: string };
    expect(new Set(records.map(({ key }) => key))).toEqual(new Set([sender_id]));
    expect(records[0]?.headers['RASA_ENVIRONMENT']).toBe('test');
    expect(records.map(({ headers }: Consumed) => headers['outbox-event-id'])).toEqual(
      events.map(() =>
        expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-/),
      ),
    );
    relay.signal('SIGTERM');
    expect(await relay.ended).toEqual({ code: 0, signal: null });
  });

  it('keeps the order of events without a key, as its README sets it up', async () => {
    const readme = readFileSync(`${root}examples/rasa/README.md`, 'utf8');
    expect(readme).toMatch(/migrate --db rasa-events\.db --lanes 1 /);
    await migrate('--lanes', '1');
    await kafka.createTopic(topic, 1);
    const lines = Array.from({ length: 300 }, (_, turn) => JSON.stringify({ turn }));
    expect(await publish(rasa(), lines)).toEqual(lines.map(() => 'stored'));
    const batches = ['--batch-events', '7'];
    cli.start(['run', '--db', cli.db, '--brokers', kafka.address, ...batches]);
    const records = await kafka.consume(topic, lines.length);
    expect(records.map(({ value }) => JSON.parse(String(value)).turn)).toEqual(
      lines.map((_, turn) => turn),
    );
  });

  it('refuses a flag that is neither true nor false', async () => {
    await migrate();
    const child = rasa({ partition_by_sender: 'yes' });
    await child.ended;
    expect(child.errors.join('\n')).toMatch(/partition_by_sender must be true or false, not 'yes'/);
  });

  it('writes rows of the right lanes, with and without key, beside another writer', async () => {
    await migrate();
    await kafka.createTopic(topic, 3);
    const pythons = [rasa(), rasa({ partition_by_sender: true }), rasa()];
    const line = (sender: string) => JSON.stringify({ sender_id: sender });
    const lines = Array.from({ length: 100 }, (_, index) => line(`s${index % 10}`));
    const stored = await Promise.all(pythons.map((child) => publish(child, lines)));
    expect(stored.flat()).toEqual(Array(300).fill('stored'));
    const relay = cli.start(['run', '--db', cli.db, '--brokers', kafka.address]);
    const records = await kafka.consume(topic, 300);
    expect(records.filter(({ key }) => key === null)).toHaveLength(200);
    relay.signal('SIGTERM');
    await relay.ended;
    expect(relay.lines.join()).not.toContain('lane waits'); // a row of a wrong lane stops it
  });

  it('opens the file as the contract asks, for the SQLite that this Python has', async () => {
    await migrate();
    const program = `
import sqlite3, sys, outbox_event_broker
db = outbox_event_broker.open_outbox(sys.argv[1])
ask = lambda name: db.execute(f"PRAGMA {name}").fetchone()[0]
old = sqlite3.sqlite_version_info < (3, 51, 3)
print(ask("synchronous"), ask("wal_autocheckpoint") == (0 if old else 1000))
`;
    const env = { PYTHONPATH: `${root}examples/rasa`, PYTHONDONTWRITEBYTECODE: '1' };
    const child = new Child('python3', ['-c', program, cli.db], { env });
    children.push(child);
    await child.ended;
    expect([...child.errors, ...child.lines]).toEqual(['2 True']);
  });

  it('has committed when publish returns: the event survives SIGKILL', async () => {
    await migrate();
    const child = rasa();
    child.write('{"sender_id": "a"}\n');
    await child.line('stored');
    await child.kill();
    expect(await cli.json('status', '--db', cli.db)).toMatchObject({ accepted: 1, pending: 1 });
  });

  it('is told of an event that is none, and goes on', async () => {
    await migrate();
    const child = rasa({ partition_by_sender: true });
    const large = JSON.stringify({ sender_id: 'a', text: 'x'.repeat(1_000_000) });
    const said = await publish(child, ['{"event": "user"}', large, '?', '{"sender_id": "a"}']);
    expect(said[0]).toMatch(/^ValueError: the event has no sender_id/);
    expect(said[1]).toMatch(/^ValueError: the event has 10000\d\d bytes, 1000000 are allowed/);
    expect(said.slice(2)).toEqual(['True', 'stored']);
    expect(await cli.json('status', '--db', cli.db)).toMatchObject({ accepted: 1 });
  });

  it('does not start without a file, an outbox in it, or a legal topic', async () => {
    const missing = rasa();
    expect(await missing.ended).toMatchObject({ code: 1 });
    const command = `run \`outbox-relay migrate --db ${cli.db} --lanes 1\` first`;
    expect(missing.errors.at(-1)).toContain(`no such file; ${command}`);
    new Database(cli.db).exec('CREATE TABLE mine (a)').close();
    const empty = rasa();
    expect(await empty.ended).toMatchObject({ code: 1 });
    expect(empty.errors.at(-1)).toContain(`has no outbox (no such table: outbox_meta); ${command}`);
    for (const name of ['a b', '..', '', 'x'.repeat(250)]) {
      const wrong = rasa({ topic: name });
      expect(await wrong.ended).toMatchObject({ code: 1 });
      expect(wrong.errors.at(-1)).toContain('is not a legal topic name');
    }
  });
});

describe('run --endpoints', () => {
  it('takes the file’s db, brokers and variables; flags win', async () => {
    await migrate();
    await cli.run(['publish', '--db', cli.db, '--topic', topic], { input: '{"a":1}\n' });
    const text = 'event_broker: {type: kafka, url: "127.0.0.1:1", security_protocol: PLAINTEXT,';
    const file = cli.write('endpoints.yml', `${text} outbox_path: "\${WHERE}", queue_size: 5}`);
    const env = { WHERE: cli.db };
    const args = ['run', '--endpoints', file, '--brokers', kafka.address, '--log-level', 'debug'];
    const child = cli.start(args, { env });
    expect(JSON.parse(await child.line('"starting"'))).toMatchObject({
      db: cli.db,
      brokers: [kafka.address],
      retry: { retries: 60, delayMs: 5_000 },
    });
    expect(child.lines[0]).toMatch(/"ignored":\["queue_size"\]/);
    await child.line('"delivered"');
    child.signal('SIGTERM');
    expect(await child.ended).toEqual({ code: 0, signal: null });
  });

  it.each<[string, string, RegExp]>([
    [
      'no event broker',
      'tracker_store: {}',
      /CONFIG_INVALID: .*endpoints\.yml: has no event_broker/,
    ],
    ['another broker', 'event_broker: {type: pika}', /CONFIG_INVALID: .*must be kafka, not "pika"/],
    [
      'a protocol of nobody',
      'event_broker: {type: kafka, url: a, security_protocol: TLS}',
      /SECURITY_PROTOCOL_INVALID: Invalid security_protocol \("TLS"\)/,
    ],
    [
      'a variable that is not set',
      `event_broker: {type: kafka, url: "\${NOT_SET_HERE}"}`,
      /CONFIG_INVALID: .*event_broker\.url: the environment variable NOT_SET_HERE is not set/,
    ],
  ])('refuses %s with exit code 2', async (_, text, message) => {
    const file = cli.write('endpoints.yml', `${text}\n`);
    const { code, err } = await cli.run(['run', '--endpoints', file]);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });
});

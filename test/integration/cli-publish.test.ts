/** `outbox-relay publish`, `migrate` and `status`, typed as a user would. No Kafka, no Redis. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OutboxStatus } from '../../src/admin/status.ts';
import { CommandLine } from '../support/cli.ts';
import { onWindows } from '../support/platform.ts';
import { until } from '../support/wait.ts';

let cli: CommandLine;
beforeEach(() => {
  cli = new CommandLine();
});
afterEach(() => cli.close());

interface Row {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

function rows(): Row[] {
  if (!existsSync(cli.db)) return [];
  const db = new Database(cli.db, { readonly: true });
  const made = "SELECT 1 FROM sqlite_master WHERE name = 'outbox_events'";
  try {
    if (db.prepare(made).get() === undefined) return [];
    return db.prepare<[], Row>('SELECT topic, key, value FROM outbox_events ORDER BY seq').all();
  } finally {
    db.close();
  }
}

const values = () => rows().map(({ value }) => value?.toString() ?? null);
const event = (value: unknown, more: object = {}) =>
  `${JSON.stringify({ topic: 'orders', key: 'k', value, ...more })}\n`;

describe('publish', () => {
  it('stores the events of a file in one transaction, in their order', async () => {
    const file = cli.write(
      'in.jsonl',
      [1, 'two', { three: 3 }, null].map((v) => event(v)).join(''),
    );
    const { code, out, err } = await cli.run(['publish', '--db', cli.db, file]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toBe('4 events stored (seq 1 to 4), 0 duplicates, 0 invalid lines skipped');
    expect(values()).toEqual(['1', 'two', '{"three":3}', null]);
  });

  it('reads stdin, piped or named by a dash', async () => {
    const input = event('piped');
    expect(await cli.run(['publish', '--db', cli.db], { input })).toMatchObject({ code: 0 });
    expect(await cli.run(['publish', '--db', cli.db, '-'], { input })).toMatchObject({ code: 0 });
    expect(values()).toEqual(['piped', 'piped']);
  });

  it.skipIf(onWindows)('reads a pipe that has a name, whose bytes come once', async () => {
    const fifo = cli.path('fifo');
    execFileSync('mkfifo', [fifo]);
    const publishing = cli.run(['publish', '--db', cli.db, fifo]);
    execFileSync('sh', ['-c', 'printf %s "$1" > "$2"', 'sh', event('through a pipe'), fifo]);
    expect(await publishing).toMatchObject({ code: 0 });
    expect(values()).toEqual(['through a pipe']);
  });

  it('takes with --topic the exact bytes of a line, and its field for the key', async () => {
    const lines = ['{"origin": "SFO",  "delay": 1.0}', '{"delay":2e3,"origin":"JFK"}'];
    const args = ['publish', '--db', cli.db, '--topic', 'flights', '--key-field', 'origin'];
    const { code } = await cli.run([...args, cli.write('in.jsonl', lines.join('\n'))]);
    expect(code).toBe(0);
    expect(values()).toEqual(lines);
    expect(rows().map(({ topic, key }) => `${topic} ${key}`)).toEqual([
      'flights SFO',
      'flights JFK',
    ]);
  });

  it('stores nothing when a line is bad, and tells each by its number', async () => {
    const file = cli.write('in.jsonl', `${event(1)}nonsense\n\n${event(2, { topic: '' })}`);
    const { code, out, err } = await cli.run(['publish', '--db', cli.db, file]);
    expect(code).toBe(3);
    expect(out).toBe('');
    expect(err).toMatch(/^line 2: is not JSON/m);
    expect(err).toMatch(/^line 4: .*topic/m);
    expect(err).toMatch(/^INPUT_INVALID: 2 of the lines.*nothing was stored\n {2}hint: /m);
    expect(rows()).toEqual([]);
  });

  it('says with --json which lines are bad, as one line', async () => {
    const file = cli.write('in.jsonl', `${event(1)}nonsense\n`);
    const { code, err } = await cli.run(['publish', '--db', cli.db, '--json', file]);
    expect(code).toBe(3);
    expect(JSON.parse(err).error).toMatchObject({
      code: 'INPUT_INVALID',
      details: { invalid: 1, lines: [{ line: 2, problem: expect.stringMatching('not JSON') }] },
    });
  });

  it('stores the rest with --skip-invalid, and counts the skipped lines', async () => {
    const file = cli.write('in.jsonl', `${event(1)}nonsense\n${event(2)}`);
    const { code, out, err } = await cli.run([
      ...['publish', '--db', cli.db, '--skip-invalid', '--json', file],
    ]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toEqual({
      stored: 2,
      duplicates: 0,
      skipped: 1,
      skippedLines: [{ line: 2, problem: expect.stringMatching('not JSON') }],
      firstSeq: 1,
      lastSeq: 2,
    });
    expect(values()).toEqual(['1', '2']);
  });

  it('counts duplicates', async () => {
    const file = cli.write('in.jsonl', event(1, { dedupeKey: 'a' }) + event(2, { dedupeKey: 'a' }));
    const result = await cli.json('publish', '--db', cli.db, file);
    expect(result).toMatchObject({ stored: 1, duplicates: 1 });
    expect(values()).toEqual(['1']);
  });

  it('leaves no copy of its input behind', async () => {
    const tmp = cli.path('tmp');
    mkdirSync(tmp);
    const env = { TMPDIR: tmp, TEMP: tmp, TMP: tmp };
    await cli.run(['publish', '--db', cli.db], { input: event(1), env });
    await cli.run(['publish', '--db', cli.db], { input: 'nonsense', env });
    expect(readdirSync(tmp)).toEqual([]);
  });

  it.each([
    ['no FILE and no stdin', [], /^USAGE: no FILE was given and nothing is piped into stdin/],
    ['a file that is not there', ['nowhere.jsonl'], /^USAGE: cannot read nowhere\.jsonl: ENOENT/],
    ['a folder', ['.'], /^USAGE: cannot read \.: it is a folder/],
    ['--key-field alone', ['--key-field', 'k', '-'], /^USAGE: --key-field needs --topic/],
    ['an unknown flag', ['--tpic', 't'], /^USAGE: unknown option '--tpic'/],
    ['a flag given twice', ['--db', 'a.db'], /^USAGE: .*It was given twice/],
  ])('refuses %s', async (_, args, message) => {
    const { code, err } = await cli.run(['publish', '--db', cli.db, ...args]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(existsSync(cli.db)).toBe(false);
  });
});

describe('publish --stream', () => {
  const args = () => ['publish', '--db', cli.db, '--stream'];

  it('commits what has come, while more may come', async () => {
    const child = cli.start(args(), { stdin: 'pipe' });
    child.write(event('first'));
    await until('the first event', () => values().length === 1);
    child.write(event('second') + event('not whole').slice(0, -1));
    await until('the second event', () => values().length === 2);
    child.end('\n');
    expect(await child.ended).toMatchObject({ code: 0 });
    expect(values()).toEqual(['first', 'second', 'not whole']);
    expect(child.lines).toEqual([expect.stringMatching(/^3 events stored/)]);
  });

  it('tells bad lines, stores the others, and ends with 3', async () => {
    const input = `${event(1)}nonsense\n${event(2)}`;
    const { code, out, err } = await cli.run(args(), { input });
    expect(code).toBe(3);
    expect(err).toMatch(/^line 2: is not JSON/m);
    expect(err).toMatch(/^INPUT_INVALID: 1 lines were not stored/m);
    expect(out).toMatch(/^2 events stored/);
    expect(values()).toEqual(['1', '2']);
  });

  it('tells every bad line, with --json as lines of JSON', async () => {
    const input = 'nonsense\n'.repeat(25);
    const { code, err } = await cli.run([...args(), '--skip-invalid', '--json'], { input });
    expect(code).toBe(0);
    const told = err.split('\n').map((line) => (JSON.parse(line) as { line: number }).line);
    expect(told).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
  });

  it('ends with 0 after bad lines that were to be skipped', async () => {
    const input = `nonsense\n${event(2)}`;
    const { code, out } = await cli.run([...args(), '--skip-invalid'], { input });
    expect(code).toBe(0);
    expect(out).toMatch(/^1 events stored.*1 invalid lines skipped$/);
  });

  it.skipIf(onWindows)(
    'keeps what was read whole when it is interrupted, and nothing of half a line',
    async () => {
      const child = cli.start(args(), { stdin: 'pipe' });
      child.write(event('whole'));
      await until('the event', () => values().length === 1);
      child.write(event('half').slice(0, 20));
      child.signal('SIGTERM');
      expect(await child.ended).toMatchObject({ code: 143 });
      expect(values()).toEqual(['whole']);
      expect(child.lines).toEqual([expect.stringMatching(/^1 events stored/)]);
    },
  );
});

describe('migrate', () => {
  it('makes the tables, and finds nothing to do the second time', async () => {
    const first = await cli.run(['migrate', '--db', cli.db, '--lanes', '4']);
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/: 0001_outbox.*4 lanes/);
    const again = await cli.json('migrate', '--db', cli.db);
    expect(again).toMatchObject({ applied: [], lanes: 4 });
  });
});

describe('status', () => {
  it('has the documented names, from the file alone', async () => {
    await cli.run(['publish', '--db', cli.db], { input: event(1) + event(2) });
    const status = await cli.json<OutboxStatus>('status', '--db', cli.db);
    expect(status).toMatchObject({
      relay: 'none',
      accepted: 2,
      pending: 2,
      delivered: 0,
      held: 0,
      oldestPendingAgeMs: expect.any(Number),
      ratePerSecond: 0,
      secondsToEmpty: null,
      circuit: null,
      deliveredByJob: 0,
      roundsUsedUp: 0,
    });
    expect(status.lanes[0]).toEqual({
      lane: 0,
      cursor: 0,
      delivered: 0,
      failures: 0,
      failure: null,
    });
  });

  it('is readable', async () => {
    await cli.run(['publish', '--db', cli.db], { input: event(1) });
    const { out } = await cli.run(['status', '--db', cli.db]);
    expect(out).toMatch(/^relay +none$/m);
    expect(out).toMatch(/^pending +1$/m);
    expect(out).toMatch(/^empty in +nothing moves$/m);
  });

  it.skipIf(onWindows)('with --watch goes on until interrupted, which is no failure', async () => {
    await cli.run(['migrate', '--db', cli.db]);
    const child = cli.start(['status', '--db', cli.db, '--watch', '--json']);
    await until('three lines', () => child.lines.length >= 3);
    child.signal('SIGINT');
    expect(await child.ended).toMatchObject({ code: 0 });
    for (const line of child.lines) expect(JSON.parse(line)).toHaveProperty('pending', 0);
  });

  it('makes no file, and says that there is none', async () => {
    const { code, err } = await cli.run(['status', '--db', cli.db]);
    expect(code).toBe(4);
    expect(err).toMatch(/^FILE_NOT_FOUND: .*\n {2}hint: /);
    expect(existsSync(cli.db)).toBe(false);
  });

  it('says with --json what is wrong, as JSON', async () => {
    const { code, err } = await cli.run(['status', '--db', cli.db, '--json']);
    expect(code).toBe(4);
    expect(JSON.parse(err).error).toMatchObject({
      code: 'FILE_NOT_FOUND',
      hint: expect.any(String),
    });
  });

  it('refuses a file that holds no outbox, and leaves it as it is', async () => {
    const db = new Database(cli.db);
    db.exec('CREATE TABLE events (id)');
    db.close();
    const { code, err } = await cli.run(['status', '--db', cli.db]);
    expect(code).toBe(4);
    expect(err).toMatch(/^SCHEMA_MISSING: /);
    expect(readdirSync(cli.folder)).toEqual(['shop.db']);
  });
});

describe('the command line', () => {
  it.each([[], ['run'], ['publish'], ['status'], ['migrate']])('--help of %s', async (...names) => {
    const { code, out, err } = await cli.run([...names, '--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^Usage: outbox-relay/);
    if (names.length === 0) expect(out).toMatch(/Exit codes:\n {2}0 +done/);
    else expect(out).toMatch(/Examples:\n {2}outbox-relay/);
  });

  it.each([
    [[], /^USAGE: no command was given/m],
    [['relay'], /^USAGE: unknown command 'relay'/],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await cli.run(args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it('says its version', async () => {
    expect((await cli.run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('ends quietly with the reader of its output', async () => {
    await cli.run(['migrate', '--db', cli.db]);
    const child = cli.start(['status', '--db', cli.db, '--watch', '--json']);
    await until('a line', () => child.lines.length > 0);
    child.closeOutput();
    expect(await child.ended).toMatchObject({ code: 0 });
    expect(child.errors).toEqual([]);
  });
});

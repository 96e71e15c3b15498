/** The operators' commands, as they are typed. No Kafka, no Redis. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOutbox } from '../../src/index.ts';
import { CommandLine } from '../support/cli.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = new CommandLine();
  await plant(cli.db);
});
afterEach(() => cli.close());

/** One lane: two events of `a`, dead and behind it; a refused one without a key; a pending one. */
async function plant(path: string): Promise<void> {
  const outbox = openOutbox({ path }, { lanes: 1 });
  outbox.enqueueMany([
    { topic: 'orders', key: 'a', value: 'secret 1', headers: { h: 'secret too' } },
    { topic: 'orders', key: 'a', value: 'secret 2' },
    { topic: 'bills', value: Buffer.from([0, 255]), headers: { b: Buffer.from([1, 254]) } },
    { topic: 'orders', key: 'b', value: 'waits' },
  ]);
  await outbox.close();
  sql('UPDATE outbox_lanes SET cursor = 3, held = 3');
  const columns = `seq, lane, topic, order_key, state, attempts, next_attempt_at, code, message,
    first_failed_at, last_failed_at`;
  const add = (values: string, seq: number) =>
    sql(`INSERT INTO outbox_held (${columns})
      SELECT seq, 0, topic, key, ${values} FROM outbox_events WHERE seq = ${seq}`);
  add("'dead', 61, NULL, 'MESSAGE_TOO_LARGE', 'too large', 1, 1000", 1);
  add("'blocked', 0, NULL, NULL, NULL, NULL, NULL", 2);
  add("'retrying', 1, 5, 'INVALID_RECORD', 'bad', 1, 1", 3);
}

function sql(text: string): unknown[] {
  const db = new Database(cli.db);
  try {
    const statement = db.prepare(text);
    if (statement.reader) return statement.all();
    statement.run();
    return [];
  } finally {
    db.close();
  }
}

const run = (...args: string[]) => cli.run([...args, '--db', cli.db]);
const lines = (out: string) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('looking', () => {
  it('events list shows what is held, for people and as JSON, and no payload', async () => {
    const { code, out } = await run('events', 'list', '--state', 'dead', '--state', 'blocked');
    expect(code).toBe(0);
    expect(out).toMatch(/SEQ\s+TOPIC\s+KEY\s+STATE/);
    expect(out).toMatch(/1\s+orders\s+a\s+dead\s+61\s+MESSAGE_TOO_LARGE/);
    expect(out).toMatch(/2\s+orders\s+a\s+blocked/);
    const json = await run('events', 'list', '--json', '--limit', '3', '--after', '1');
    expect(lines(json.out).map(({ seq, state }) => [seq, state])).toEqual([
      [2, 'blocked'],
      [3, 'retrying'],
      [4, 'pending'],
    ]);
    expect(out + json.out).not.toContain('secret');
  });

  it('events list takes filters', async () => {
    const seqs = async (...flags: string[]) => {
      const { out } = await run('events', 'list', '--json', ...flags);
      return out === '' ? [] : lines(out).map(({ seq }) => seq);
    };
    expect(await seqs('--topic', 'orders', '--key', 'a')).toEqual([1, 2]);
    expect(await seqs('--code', 'INVALID_RECORD')).toEqual([3]);
    expect(await seqs('--older-than', '1h')).toEqual([]);
    expect(await seqs('--seq', '4', '--seq', '2')).toEqual([2, 4]);
  });

  it('events show hides the payload unless it is asked for', async () => {
    const { out } = await run('events', 'show', '--seq', '1');
    expect(out).toMatch(/refused\s+61 times, MESSAGE_TOO_LARGE: too large/);
    expect(out).not.toContain('secret');
    const open = await run('events', 'show', '--seq', '1', '--payload', '--json');
    const value = Buffer.from('secret 1').toString('base64');
    expect(lines(open.out)).toMatchObject([{ valueBase64: value, headers: [['h', 'secret too']] }]);
    const missing = await run('events', 'show', '--seq', '99');
    expect(missing.code).toBe(9);
    expect(missing.err).toMatch(/^EVENT_NOT_FOUND: there is no event with seq 99\n {2}hint: /);
  });

  it('dead list groups by cause', async () => {
    const { out } = await run('dead', 'list');
    expect(out).toMatch(/1\s+orders\s+MESSAGE_TOO_LARGE\s+1\s+1970-01-01T00:00:00Z/);
    expect((await run('dead', 'list', '--topic', 'bills')).out).toBe('no event is dead');
  });

  it('bytes that are no text are told as base64, and found by it', async () => {
    const bytes = Buffer.from([255, 0, 27]);
    const base64 = bytes.toString('base64');
    const hex = bytes.toString('hex');
    sql(`UPDATE outbox_events SET key = x'${hex}' WHERE seq = 3`);
    sql(`UPDATE outbox_held SET order_key = x'${hex}' WHERE seq = 3`);
    const { out } = await run('events', 'list', '--key-base64', base64);
    expect(out).toMatch(new RegExp(`3\\s+bills\\s+base64:${base64}\\s+retrying`));
    const shown = await run('events', 'show', '--seq', '3', '--payload', '--json');
    expect(lines(shown.out)).toMatchObject([
      { key: null, keyBase64: base64, valueBase64: 'AP8=', headersBase64: [['b', 'Af4=']] },
    ]);
    expect((await run('skip', '--key-base64', base64, '--reason', 'r')).out).toBe(
      '1 event skipped',
    );
    expect((await run('events', 'list', '--key-base64', '?')).code).toBe(2);
    expect((await run('events', 'list', '--key-base64', base64, '--key', 'a')).code).toBe(2);
  });

  it('no key, message or payload reaches the terminal as a command to it', async () => {
    const evil = "char(27) || '[2J' || char(10) || 'x' || char(8238)";
    sql(`UPDATE outbox_events SET key = CAST(${evil} AS BLOB), value = CAST(${evil} AS BLOB)
      WHERE seq = 1`);
    sql(`UPDATE outbox_held SET message = ${evil} WHERE seq = 1`);
    const show = 'events show --seq 1 --payload';
    for (const command of ['events list', 'dead list', show]) {
      const { out } = await run(...command.split(' '));
      expect(out).toContain('\\u001b[2J\\u000ax\\u202e');
      for (const control of ['\u001b', '\u202e']) expect(out).not.toContain(control);
    }
  });

  it('status tells what is stopped, since when, and how much waits', async () => {
    sql(`INSERT INTO outbox_stops (lane, topic, code, message, since)
      VALUES (0, 'orders', 'TOPIC_AUTHORIZATION_FAILED', 'not authorised', 0)`);
    const { out } = await run('status', '--json');
    expect(lines(out)).toMatchObject([
      { held: 3, retrying: 1, blocked: 1, dead: 1, stops: [{ topic: 'orders', held: 2 }] },
    ]);
    const text = (await run('status')).out;
    expect(text).toMatch(/^held +3: 1 retrying, 1 blocked, 1 dead$/m);
    expect(text).toContain(
      'orders: TOPIC_AUTHORIZATION_FAILED, since 1970-01-01T00:00:00Z, 2 held of the topic; not',
    );
  });

  it('status claims no number beyond what it counts', async () => {
    sql(`WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 11000)
      INSERT INTO outbox_held (seq, lane, topic, state) SELECT i, 0, 'orders', 'dead' FROM n`);
    sql('UPDATE outbox_lanes SET held = held + 10991');
    const { out } = await run('status', '--json');
    expect(lines(out)).toMatchObject([{ held: 10_994, blocked: null, dead: 10_000 }]);
    expect((await run('status')).out).toMatch(
      /^held +10,994: 1 retrying, others blocked, 10,000 or more dead$/m,
    );
  });
});

describe('acting', () => {
  it('redrive counts first, then does it, and the audit knows', async () => {
    const dry = await run('redrive', '--topic', 'orders', '--dry-run', '--json');
    expect(lines(dry.out)).toMatchObject([{ changed: 1, dryRun: true, result: 'done' }]);
    expect(sql("SELECT seq FROM outbox_held WHERE state = 'dead'")).toEqual([{ seq: 1 }]);
    const { out } = await run('redrive', '--topic', 'orders', '--by', 'ann');
    expect(out).toBe('1 event to be sent again');
    expect(sql("SELECT seq FROM outbox_held WHERE state = 'dead'")).toEqual([]);
    const audit = await run('audit', '--json');
    expect(lines(audit.out)).toMatchObject([
      { verb: 'redrive', actor: 'ann', detail: { filter: { topic: 'orders' }, changed: 1 } },
    ]);
    expect((await run('redrive', '--topic', 'none')).out).toBe('nothing to do');
  });

  it('skip and purge want a reason and a filter', async () => {
    const bare = await run('skip', '--reason', 'r');
    expect(bare).toMatchObject({ code: 2 });
    expect(bare.err).toMatch(/^USAGE: which events\?/);
    expect((await run('purge', '--seq', '1')).err).toMatch(/^USAGE: purge needs --reason/);
    expect((await run('skip', '--seq', '1', '--reason', 'by hand')).out).toBe('1 event skipped');
    expect((await run('purge', '--all', '--reason', 'tests')).out).toBe('3 events purged');
    const { out } = await cli.run(['status', '--db', cli.db, '--json']);
    expect(lines(out)).toMatchObject([{ held: 0, pending: 1 }]);
  });

  it('pending events are left alone, with a code and a hint', async () => {
    const { code, err } = await run('purge', '--seq', '4', '--reason', 'r', '--json');
    expect(code).toBe(9);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'EVENT_NOT_HELD' } });
  });

  it.each([
    [['--seq', 'x'], /USAGE: .*whole number/],
    [['--older-than', 'soon'], /USAGE: .*90s/],
    [['--state', 'lost'], /FILTER_INVALID: state: lost is none of/],
    [['--id', 'x'], /FILTER_INVALID: id/],
  ])('a malformed filter is told: %j', async (flags, message) => {
    const { code, err } = await run('events', 'list', ...flags);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it('pause and resume say what they did, and nothing twice', async () => {
    expect((await run('pause', '--topic', 'orders')).out).toBe('1 topic or lane paused');
    expect((await run('pause', '--topic', 'orders')).out).toBe('nothing to do');
    expect((await run('pause', '--all', '--topic', 'x')).code).toBe(2);
    const unknown = await run('pause', '--lane', '8');
    expect(unknown).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^FILTER_INVALID: lane: 8/),
    });
    await run('pause', '--lane', '0', '--reason', 'r');
    const { out } = await cli.run(['status', '--db', cli.db]);
    expect(out).toMatch(/paused\s+topic orders, lane 0/);
    expect((await run('resume', '--all')).out).toBe('2 topics or lanes resumed');
  });
});

it('export tells where an event was, and its budget, which publish keeps', async () => {
  sql('UPDATE outbox_events SET retries = 3, delay_ms = 20 WHERE seq = 1');
  const { out } = await run('export', '--state', 'dead');
  const [{ id }] = sql('SELECT id FROM outbox_events WHERE seq = 1') as [{ id: string }];
  const origin = { seq: 1, id, state: 'dead', code: 'MESSAGE_TOO_LARGE' };
  expect(lines(out)).toMatchObject([{ topic: 'orders', retries: 3, delayMs: 20, origin }]);
  const other = join(cli.folder, 'other.db');
  expect((await cli.run(['publish', '--db', other], { input: `${out}\n` })).code).toBe(0);
  const db = new Database(other);
  const stored = db.prepare('SELECT seq, id, retries, delay_ms FROM outbox_events').all();
  db.close();
  expect(stored).toEqual([{ seq: 1, id: expect.not.stringMatching(id), retries: 3, delay_ms: 20 }]);
});

it('export gives lines that publish takes, byte for byte', async () => {
  const { out } = await run('export', '--all');
  const file = join(cli.folder, 'all.jsonl');
  writeFileSync(file, out);
  const other = join(cli.folder, 'other.db');
  expect((await cli.run(['publish', '--db', other, file])).code).toBe(0);
  const columns = 'SELECT topic, key, value, headers, partition FROM outbox_events ORDER BY seq';
  const db = new Database(other);
  expect(db.prepare(columns).all()).toEqual(sql(columns));
  db.close();
});

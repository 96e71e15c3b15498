/** Operators' acts on a file with held events: what they change, what they refuse, the audit. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type Operator, openOperator, openOutbox } from '../../src/index.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';

let folder: string;
let path: string;
let operator: Operator;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-operator-'));
  path = join(folder, 'outbox.db');
});
afterEach(() => {
  operator?.close();
  rmSync(folder, { recursive: true });
});

function sql<T = unknown>(text: string): T[] {
  const db = new Database(path);
  try {
    const statement = db.prepare(text);
    if (statement.reader) return statement.all() as T[];
    statement.run();
    return [];
  } finally {
    db.close();
  }
}

type State = 'retrying' | 'blocked' | 'dead' | 'skipped' | 'delivered' | 'pending';

/** One lane; events in their order as `key:state`, the pending ones last. */
async function plant(...events: readonly `${string}:${State}`[]): Promise<void> {
  const outbox = openOutbox({ path }, { lanes: 1 });
  const keyed = events.map((text) => {
    const key = text.split(':')[0] as string;
    return { topic: 'orders', key, value: text, dedupeKey: null };
  });
  outbox.enqueueMany(keyed);
  await outbox.close();
  const states = events.map((text) => text.split(':')[1] as State);
  const held = states.filter((state) => /retrying|blocked|dead/.test(state)).length;
  const removed = states.filter((state) => state === 'skipped').length;
  const delivered = states.filter((state) => state === 'delivered').length;
  const cursor = states.filter((state) => state !== 'pending').length;
  sql(`UPDATE outbox_lanes SET cursor = ${cursor}, held = ${held}, removed = ${removed},
    delivered = ${delivered}`);
  for (const [index, state] of states.entries()) {
    if (state === 'delivered' || state === 'pending') continue;
    const failed = state !== 'blocked';
    sql(`INSERT INTO outbox_held (seq, lane, topic, partition, order_key, state, attempts,
        next_attempt_at, code, message, first_failed_at, last_failed_at)
      SELECT seq, 0, topic, 0, key, '${state}', ${failed ? 4 : 0},
        ${state === 'retrying' ? 99 : 'NULL'}, ${failed ? "'MESSAGE_TOO_LARGE'" : 'NULL'},
        'too large', 1, 2 FROM outbox_events WHERE seq = ${index + 1}`);
  }
  operator = openOperator(path);
}

const rows = () =>
  sql<{ seq: number; state: string }>('SELECT seq, state FROM outbox_held ORDER BY seq').map(
    ({ seq, state }) => `${seq}:${state}`,
  );
const lane = () =>
  sql('SELECT held, removed, held_revision AS revision FROM outbox_lanes')[0] as object;
const audits = () => operator.audit().map(({ verb, actor, reason }) => ({ verb, actor, reason }));
const why = { actor: 'ann', reason: 'fixed' };
const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('redrive', () => {
  it('sends a dead event, and what waits behind it, again', async () => {
    await plant('a:dead', 'a:blocked', 'b:retrying', 'c:delivered');
    const report = operator.redrive({ states: ['dead'] }, why);
    expect(report).toEqual({
      verb: 'redrive',
      result: 'done',
      dryRun: false,
      matched: 1,
      changed: 1,
      inFlight: 0,
      mayBeOutOfOrder: 0,
    });
    expect(rows()).toEqual(['1:retrying', '2:blocked', '3:retrying']);
    const [first] = sql('SELECT attempts, next_attempt_at FROM outbox_held') as [
      { attempts: number; next_attempt_at: number },
    ];
    expect(first.attempts).toBe(0);
    expect(first.next_attempt_at).toBeLessThanOrEqual(Date.now());
    expect(lane()).toEqual({ held: 3, removed: 0, revision: 1 });
    expect(audits()).toEqual([{ verb: 'redrive', ...why }]);
    expect(operator.audit()[0]?.detail).toMatchObject({ filter: { states: ['dead'] }, changed: 1 });
  });

  it('keeps the order of several dead events of one key', async () => {
    await plant('a:dead', 'a:dead', 'a:dead', 'b:dead');
    const report = operator.redrive({ key: 'a' }, why);
    expect(rows()).toEqual(['1:retrying', '2:blocked', '3:blocked', '4:dead']);
    expect(report).toMatchObject({ changed: 3 });
  });

  it('takes so many at a time, the oldest first', async () => {
    await plant('a:dead', 'b:dead', 'c:dead');
    expect(operator.redrive({}, { ...why, limit: 2 })).toMatchObject({ matched: 3, changed: 2 });
    expect(rows()).toEqual(['1:retrying', '2:retrying', '3:dead']);
  });

  it('brings a skipped event back, and says that it may be out of order', async () => {
    await plant('a:skipped', 'a:delivered');
    const report = operator.redrive({ seqs: [1] }, why);
    expect(report).toMatchObject({ changed: 1, mayBeOutOfOrder: 1 });
    expect(lane()).toMatchObject({ held: 1, removed: 0 });
  });

  it('of an event behind its head is refused, with the head’s seq', async () => {
    await plant('a:retrying', 'a:blocked');
    expect(() => operator.redrive({ seqs: [2] }, why)).toThrow(/event 2 waits behind event 1/);
    expect(codeOf(() => operator.redrive({ seqs: [2] }, why))).toBe('KEY_BLOCKED');
    expect(audits()).toEqual([]);
  });

  it('with nothing to do says so, and leaves no audit', async () => {
    await plant('a:delivered', 'b:pending');
    expect(operator.redrive({}, why)).toMatchObject({ result: 'nothing-to-do', changed: 0 });
    expect(audits()).toEqual([]);
  });
});

describe('skip', () => {
  it('frees the key, and keeps the event where redrive finds it', async () => {
    await plant('a:dead', 'a:blocked', 'a:blocked', 'b:dead');
    expect(operator.skip({ key: 'a', states: ['dead'] }, why)).toMatchObject({ changed: 1 });
    expect(rows()).toEqual(['1:skipped', '2:retrying', '3:blocked', '4:dead']);
    expect(lane()).toEqual({ held: 3, removed: 1, revision: 1 });
    expect(operator.show({ seq: 1 }).state).toBe('skipped');
  });

  it('of one that is not the head leaves the head', async () => {
    await plant('a:retrying', 'a:blocked', 'a:blocked');
    operator.skip({ seqs: [2] }, why);
    expect(rows()).toEqual(['1:retrying', '2:skipped', '3:blocked']);
  });

  it('needs a reason', async () => {
    await plant('a:dead');
    expect(codeOf(() => operator.skip({}, { reason: '  ' }))).toBe('FILTER_INVALID');
    expect(rows()).toEqual(['1:dead']);
  });
});

describe('purge', () => {
  it('deletes event, payload and dedupe key, and frees the key', async () => {
    await plant('a:dead', 'a:blocked');
    sql("INSERT INTO outbox_dedupe VALUES ('d', 1, 'x', 9e15)");
    expect(operator.purge({ seqs: [1] }, why)).toMatchObject({ changed: 1 });
    expect(rows()).toEqual(['2:retrying']);
    expect(sql('SELECT seq FROM outbox_events')).toEqual([{ seq: 2 }]);
    expect(sql('SELECT * FROM outbox_dedupe')).toEqual([]);
    expect(lane()).toEqual({ held: 1, removed: 1, revision: 1 });
  });

  it('of a skipped event counts it once', async () => {
    await plant('a:skipped');
    operator.purge({ seqs: [1] }, why);
    expect(lane()).toMatchObject({ held: 0, removed: 1 });
  });

  it.each([
    ['pending', 'b:pending', 2],
    ['delivered', 'b:delivered', 2],
  ] as const)('of a %s event is refused', async (_, second, seq) => {
    await plant('a:dead', second);
    expect(codeOf(() => operator.purge({ seqs: [1, seq] }, why))).toBe('EVENT_NOT_HELD');
    expect(rows()).toEqual(['1:dead']);
    expect(audits()).toEqual([]);
  });
});

describe('an act', () => {
  it('on an event of which a send is under way is refused while its relay lives', async () => {
    await plant('a:retrying', 'b:dead');
    const opened = openSqliteOutbox({ path }, { clock: systemClock, schema: 'check' });
    const store = opened.openStore();
    const presence = await store.announceOwner('relay');
    sql("UPDATE outbox_lanes SET owner = 'relay'");
    sql('UPDATE outbox_held SET send_no = 1 WHERE seq = 1');
    expect(codeOf(() => operator.skip({ seqs: [1] }, why))).toBe('EVENT_IN_FLIGHT');
    expect(operator.skip({}, why)).toMatchObject({ changed: 1, inFlight: 1 });
    expect(rows()).toEqual(['1:retrying', '2:skipped']);
    await presence.withdraw();
    expect(operator.skip({ seqs: [1] }, why)).toMatchObject({ changed: 1 });
    store.close();
    opened.close();
  });

  it('that is only tried changes nothing and is not audited', async () => {
    await plant('a:dead', 'a:blocked');
    const before = sql('SELECT * FROM outbox_held');
    for (const verb of ['redrive', 'skip', 'purge'] as const) {
      const report = operator[verb]({}, { ...why, dryRun: true });
      expect(report).toMatchObject({ dryRun: true, result: 'done' });
      expect(report.changed).toBeGreaterThan(0);
    }
    operator.pause({ all: true }, { ...why, dryRun: true });
    expect(sql('SELECT * FROM outbox_held')).toEqual(before);
    expect(lane()).toEqual({ held: 2, removed: 0, revision: 0 });
    expect(audits()).toEqual([]);
  });

  it.each(['redrive', 'skip', 'purge', 'pause'])(
    'killed before its audit row did nothing: %s',
    async (verb) => {
      await plant('a:dead', 'a:blocked');
      const before = [sql('SELECT * FROM outbox_held'), sql('SELECT * FROM outbox_lanes')];
      const child = fileURLToPath(new URL('../support/operator-child.ts', import.meta.url));
      const { signal } = spawnSync(process.execPath, [child, path, verb]);
      expect(signal).toBe('SIGKILL');
      expect([sql('SELECT * FROM outbox_held'), sql('SELECT * FROM outbox_lanes')]).toEqual(before);
      expect(audits()).toEqual([]);
    },
  );

  it('by two operators at once is done once', async () => {
    await plant('a:dead');
    const other = openOperator(path);
    expect(operator.skip({}, why).changed + other.skip({}, why).changed).toBe(1);
    other.close();
    expect(audits()).toHaveLength(1);
  });

  it.each([
    [{ topic: 'no such topic!' }],
    [{ seqs: [0] }],
    [{ seqs: [1.5] }],
    [{ ids: ['x'] }],
    [{ states: ['lost' as never] }],
    [{ olderThanMs: -1 }],
  ])('with a malformed filter is refused: %j', async (filter) => {
    await plant('a:dead');
    expect(codeOf(() => operator.redrive(filter, why))).toBe('FILTER_INVALID');
    expect(codeOf(() => operator.list(filter))).toBe('FILTER_INVALID');
  });

  it('on an event that is not there is refused', async () => {
    await plant('a:dead');
    expect(codeOf(() => operator.redrive({ seqs: [7] }, why))).toBe('EVENT_NOT_FOUND');
    const ids = ['00000000-0000-7000-8000-000000000000'];
    expect(codeOf(() => operator.skip({ ids }, why))).toBe('EVENT_NOT_FOUND');
    expect(codeOf(() => operator.show({ seq: 7 }))).toBe('EVENT_NOT_FOUND');
  });
});

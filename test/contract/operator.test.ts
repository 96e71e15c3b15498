/** Operators' acts on a file with held events: what they change, what they refuse, the audit. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type Operator, openOperator } from '../../src/index.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import { HeldFile, type PlantedEvent } from '../support/held-file.ts';

let file: HeldFile;
let operator: Operator;

beforeEach(() => {
  file = new HeldFile();
});
afterEach(() => {
  operator?.close();
  file.remove();
});

async function plant(...events: readonly PlantedEvent[]): Promise<void> {
  await file.plant(...events);
  operator = openOperator(file.path);
}

const sql = <T = unknown>(text: string): T[] => file.sql<T>(text);
const rows = () => file.rows();
const lane = () => file.lane();
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

  it('puts the first of a key before one that is tried already', async () => {
    await plant('a:dead', 'a:retrying');
    expect(operator.redrive({}, why)).toMatchObject({ changed: 2, mayBeOutOfOrder: 1 });
    expect(rows()).toEqual(['1:retrying', '2:blocked']);
  });

  it('puts what is redriven behind one that is tried and was not asked for', async () => {
    await plant('a:dead', 'a:retrying');
    expect(operator.redrive({ seqs: [1] }, why)).toMatchObject({ changed: 1, mayBeOutOfOrder: 1 });
    expect(rows()).toEqual(['1:blocked', '2:retrying']);
  });

  it('of a dead event that its key has passed may be out of order', async () => {
    await plant('a:dead', 'a:delivered', 'a:dead', 'a:delivered');
    expect(operator.redrive({}, why)).toMatchObject({ changed: 2, mayBeOutOfOrder: 2 });
  });

  it('of a dead event may be out of order when others of its key wait for a stop', async () => {
    await plant('a:dead', 'a:delivered', 'a:blocked');
    sql(`INSERT INTO outbox_stops (lane, topic, code, message, since)
      VALUES (0, 'orders', 'UNKNOWN_TOPIC_OR_PARTITION', 'gone', 1)`);
    expect(operator.redrive({ states: ['dead'] }, why)).toMatchObject({ mayBeOutOfOrder: 1 });
  });

  it('of an event behind a stop is refused, too', async () => {
    await plant('a:blocked');
    expect(() => operator.redrive({ seqs: [1] }, why)).toThrow(/waits behind a stop of its topic/);
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

  it('of a refused event lets the next one of its key be tried', async () => {
    await plant('a:retrying', 'a:blocked');
    operator.skip({ states: ['retrying'] }, why);
    expect(rows()).toEqual(['1:skipped', '2:retrying']);
  });

  it('of one of two dead events leaves what waits behind the other', async () => {
    await plant('a:dead', 'a:dead', 'a:blocked');
    operator.skip({ seqs: [1] }, why);
    expect(rows()).toEqual(['1:skipped', '2:dead', '3:blocked']);
    operator.skip({ seqs: [2] }, why);
    expect(rows()).toEqual(['1:skipped', '2:skipped', '3:retrying']);
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

  it('leaves nothing of the payload in the file', async () => {
    await plant('a:dead', 'b:delivered');
    const secret = 'a:dead';
    const closed = () => {
      // With the last connection the log of changes goes into the file.
      operator.close();
      return readFileSync(file.path).includes(secret);
    };
    expect(closed()).toBe(true);
    operator = openOperator(file.path);
    operator.purge({ seqs: [1] }, why);
    expect(closed()).toBe(false);
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
    const opened = openSqliteOutbox({ path: file.path }, { clock: systemClock, schema: 'check' });
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
      const { signal } = spawnSync(process.execPath, [child, file.path, verb]);
      expect(signal).toBe('SIGKILL');
      expect([sql('SELECT * FROM outbox_held'), sql('SELECT * FROM outbox_lanes')]).toEqual(before);
      expect(audits()).toEqual([]);
    },
  );

  it('by two operators at once is done once', async () => {
    await plant('a:dead');
    const other = openOperator(file.path);
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
    [{ youngerThanMs: Number.NaN }],
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

describe('looking', () => {
  it('finds events by id, whatever its case, held or not', async () => {
    await plant('a:dead', 'b:pending');
    const ids = operator.list().map(({ id }) => id.toUpperCase());
    expect(operator.list({ ids }).map(({ seq }) => seq)).toEqual([1, 2]);
    expect(operator.list({ ids, seqs: [2, 3] }).map(({ seq }) => seq)).toEqual([2]);
    expect(operator.show({ id: ids[1] as string })).toMatchObject({ seq: 2, state: 'pending' });
    expect(operator.skip({ ids: ids.slice(0, 1) }, why)).toMatchObject({ changed: 1 });
  });

  it('finds events by age, younger and older', async () => {
    await plant('a:dead', 'b:delivered');
    sql('UPDATE outbox_events SET created_at = created_at - 60000 WHERE seq = 1');
    const seqs = (filter: object) => operator.list(filter).map(({ seq }) => seq);
    expect(seqs({ olderThanMs: 59_000 })).toEqual([1]);
    expect(seqs({ youngerThanMs: 59_000 })).toEqual([2]);
    expect(seqs({ olderThanMs: 59_000, youngerThanMs: 600_000 })).toEqual([1]);
  });

  it('finds every state, of the log and of what is held', async () => {
    await plant('a:dead', 'a:blocked', 'b:delivered', 'c:skipped', 'd:retrying', 'e:pending');
    for (const { seq, state } of operator.list()) {
      expect(operator.list({ states: [state] }).map((event) => event.seq)).toEqual([seq]);
      expect(operator.list({ states: [state, state] }).map((event) => event.seq)).toEqual([seq]);
    }
  });

  it('groups dead events by topic and cause, with what was said of the first', async () => {
    await plant('a:dead', 'b:dead', 'c:dead', 'd:retrying');
    sql("UPDATE outbox_held SET message = 'first', last_failed_at = 5 WHERE seq = 1");
    sql("UPDATE outbox_held SET message = 'second', first_failed_at = 0 WHERE seq = 2");
    sql("UPDATE outbox_held SET code = 'INVALID_RECORD', last_failed_at = 9 WHERE seq = 3");
    const times = { firstFailedAtMs: 0, lastFailedAtMs: 5 };
    const large = { topic: 'orders', code: 'MESSAGE_TOO_LARGE', message: 'first', firstSeq: 1 };
    expect(operator.dead()[0]).toEqual({ ...large, ...times, events: 2 });
    expect(operator.dead({ code: 'INVALID_RECORD' })).toMatchObject([{ firstSeq: 3, events: 1 }]);
    expect(operator.dead({ topic: 'bills' })).toEqual([]);
  });
});

describe('a pause', () => {
  it.each([[{ lane: 1 }], [{ lane: -1 }], [{ lane: Number.NaN }], [{ topic: 'no such topic!' }]])(
    'of what cannot be is refused, and so is its end: %j',
    async (target) => {
      await plant('a:dead');
      expect(codeOf(() => operator.pause(target, why))).toBe('FILTER_INVALID');
      expect(codeOf(() => operator.resume(target, why))).toBe('FILTER_INVALID');
      expect(audits()).toEqual([]);
    },
  );
});

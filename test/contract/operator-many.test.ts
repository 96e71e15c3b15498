/** Operators' acts on very much, and by several processes at once. */
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { type EventFilter, openOperator } from '../../src/index.ts';
import { whereOf } from '../../src/outbox/sqlite/event-filter.ts';
import { migrate } from '../../src/outbox/sqlite/migrate.ts';
import { Child } from '../support/child.ts';
import { HeldFile } from '../support/held-file.ts';

let file: HeldFile;
const children: Child[] = [];

beforeEach(() => {
  file = new HeldFile();
});
afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
  file.remove();
});

function start(name: string, ...args: string[]): Child {
  const child = Child.node(`test/support/${name}.ts`, [file.path, ...args], { stdin: 'pipe' });
  children.push(child);
  return child;
}

it('two processes that act at once share the events, and each act has its audit row', async () => {
  const count = 300;
  await file.plantMany(count, { perKey: 3 });
  const both = [start('operator-loop'), start('operator-loop')];
  for (const child of both) await child.line('ready');
  for (const child of both) child.write('go\n');
  const done = await Promise.all(
    both.map(async (child) => Number((await child.line('skipped')).split(' ')[1])),
  );
  expect(done.reduce((sum, each) => sum + each)).toBe(count);
  expect(file.lane()).toEqual({ held: 0, removed: count, revision: count });
  expect(file.sql('SELECT DISTINCT state FROM outbox_held')).toEqual([{ state: 'skipped' }]);
  expect(file.sql('SELECT count(*) AS acts FROM outbox_audit')).toEqual([{ acts: count }]);
});

describe.each([
  ['of one key', 200_000],
  ['of a key each', 1],
])('200,000 held events %s', (_, perKey) => {
  it.each(['redrive', 'skip', 'purge'] as const)(
    'are changed by one %s, in seconds and bounded memory',
    async (verb) => {
      const count = 200_000;
      await file.plantMany(count, { perKey });
      const child = start('operator-many', verb);
      const startedMs = performance.now();
      const { changed, rssKib } = JSON.parse(await child.line('changed')) as {
        changed: number;
        rssKib: number;
      };
      expect(changed).toBe(count);
      // A step for every event that looks at all of its key would take hours.
      expect(performance.now() - startedMs).toBeLessThan(60_000);
      expect(rssKib / 1_024).toBeLessThan(600);
      const held = verb === 'redrive' ? count : 0;
      expect(file.lane()).toEqual({ held, removed: count - held, revision: 1 });
    },
  );
});

it('acts page by page, the oldest first, until nothing is left', async () => {
  await file.plantMany(5);
  const operator = openOperator(file.path);
  const how = { limit: 2, reason: 'page by page' };
  const reports = Array.from({ length: 4 }, () => operator.skip({}, how));
  operator.close();
  expect(reports.map(({ matched, changed }) => [matched, changed])).toEqual([
    [5, 2],
    [3, 2],
    [1, 1],
    [0, 0],
  ]);
});

const filters: [string, EventFilter][] = [
  ['nothing', {}],
  ['a topic', { topic: 'orders' }],
  ['a key', { key: 'a' }],
  ['a topic and a key', { topic: 'orders', key: 'a' }],
  ['a code', { code: 'MESSAGE_TOO_LARGE' }],
  ['seqs', { seqs: [1, 2] }],
  ['an age', { olderThanMs: 1 }],
];

describe('an act, which keeps others from writing, never reads the log from end to end', () => {
  it.each(filters)('with a filter of %s', (_, filter) => {
    const db = new Database(':memory:');
    migrate(db, { clock: systemClock, lanes: 1 });
    for (const states of [['dead'], ['retrying', 'dead']] as const) {
      const { from, seq, sql, values } = whereOf({ ...filter, states }, 1);
      const plan = db
        .prepare(`EXPLAIN QUERY PLAN SELECT ${seq} ${from} WHERE 1 ${sql} ORDER BY ${seq}`)
        .all(values) as { detail: string }[];
      const ofLog = plan.map(({ detail }) => detail).filter((step) => /^\w+ e\b/.test(step));
      expect(ofLog).toEqual(['SEARCH e USING INTEGER PRIMARY KEY (rowid=?)']);
    }
    db.close();
  });
});

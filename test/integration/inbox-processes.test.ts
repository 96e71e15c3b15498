/** Consumers in processes of their own, on one inbox: killed in the middle, and together. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child } from '../support/child.ts';

const count = 499;
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-inbox-'));
  path = join(folder, 'consumer.db');
  const db = new Database(path);
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE handled (n INTEGER NOT NULL)');
  db.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

const consumer = (seed: number, dieAt = 0) =>
  Child.node('test/support/inbox-child.ts', [path, String(count), String(seed), String(dieAt)]);

function handled(): number[] {
  const db = new Database(path);
  const all = db.prepare('SELECT n FROM handled ORDER BY n').pluck().all() as number[];
  db.close();
  return all;
}

const each = Array.from({ length: count - 1 }, (_, index) => index + 1);
const ok = { code: 0, signal: null };

describe('consumers of one inbox', () => {
  it('handle each event once, at the same time and in different orders', async () => {
    const two = [consumer(2), consumer(3)];
    expect(await Promise.all(two.map(({ ended }) => ended))).toEqual([ok, ok]);
    expect(handled()).toEqual(each);
    const counts = two.map(({ lines }) => JSON.parse(lines[0] ?? '') as Record<string, number>);
    const sum = (name: string) => counts.reduce((all, one) => all + (one[name] ?? 0), 0);
    expect([sum('handled'), sum('duplicate')]).toEqual([count - 1, count - 1]);
  });

  it('handle what one was killed in the middle of, and nothing else twice', async () => {
    // In the order of this seed it is the hundredth.
    const killed = consumer(2, 200);
    expect((await killed.ended).code).not.toBe(0);
    expect(handled()).toHaveLength(99);
    expect(handled()).not.toContain(200);
    const again = consumer(2);
    expect(await again.ended).toEqual(ok);
    expect(JSON.parse(again.lines[0] ?? '')).toMatchObject({ handled: 399, duplicate: 99 });
    expect(handled()).toEqual(each);
  });
});

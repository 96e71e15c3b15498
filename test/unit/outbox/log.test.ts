/** The statement that a drain repeats: its cost must not grow with the backlog. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { openOutbox } from '../../../src/index.ts';
import { batchSql } from '../../../src/outbox/sqlite/log.ts';

it('a batch is a range of one lane’s index, and nothing is sorted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-log-'));
  const path = join(folder, 'shop.db');
  await openOutbox({ path }).close();
  const db = new Database(path);
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${batchSql}`).all(0, 0, 1) as { detail: string }[];
  db.close();
  rmSync(folder, { recursive: true, force: true });
  expect(plan.map(({ detail }) => detail)).toEqual([
    'SEARCH outbox_events USING INDEX outbox_events_by_lane (lane=? AND rowid>?)',
  ]);
});

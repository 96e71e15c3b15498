/** A file that had a backlog is small again while it is in use, not only when it is closed. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import { encodedEvent } from '../support/encoded.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-shrinking-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('the file of a drained backlog is given back to the disk while it is open', async () => {
  const path = join(folder, 'outbox.db');
  const opened = openSqliteOutbox({ path }, { clock: systemClock, schema: 'auto', lanes: 1 });
  const store = opened.openStore();
  const count = 20_000;
  const value = Buffer.alloc(1_000);
  const events = Array.from({ length: count }, () => encodedEvent({ topic: 't', value }));
  await store.appendAll(events);
  await store.announceOwner('me');
  const lease = await store.claimLane(0, 'me', 0);
  if (lease === null) throw new Error('nobody else is here');
  await store.settle(lease, { cursor: count, delivered: count, via: 'sweep' });
  const before = statSync(path).size;
  let rounds = 0;
  while ((await store.prune(Date.now() + 1, 2_000)) > 0) rounds += 1;
  expect(rounds).toBe(count / 2_000);
  while (await store.shrink()) rounds += 1;
  // Looked at by its name: opening it would drop SQLite's locks.
  expect(statSync(path).size).toBeLessThan(before / 2);
  expect(await store.shrink()).toBe(false);
  store.close();
  opened.close();
});

/** Several processes that write to one file at once, and one that is killed while it does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openOutbox } from 'outbox-relay';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import { Child } from '../support/child.ts';
import { FakeClock } from '../support/clock.ts';

interface Accepted {
  readonly number: number;
  readonly seq: number;
  readonly id: string;
}

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-writers-'));
  path = join(folder, 'shop.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function startWriter(name: string, how: 'enqueue' | 'publish' | 'hold', count: number): Child {
  const given = JSON.stringify({ path, name, how, count });
  return Child.node('test/support/writer-child.ts', [given]);
}

const said = (child: Child) => child.lines.map((line) => JSON.parse(line));
const acceptedBy = (child: Child): Accepted[] => said(child).filter(({ seq }) => seq !== undefined);

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly value: Buffer;
}

function storedRows(): Row[] {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare('SELECT seq, id, value FROM outbox_events ORDER BY seq').all() as Row[];
  } finally {
    db.close();
  }
}

/** Pauses last fifty times as long: attempts that block for milliseconds each are few. */
class RareClock extends FakeClock {
  override after(delayMs: number, callback: () => void): () => void {
    return super.after(delayMs * 50, callback);
  }
}

describe('processes that write to one file', () => {
  it('make one outbox of a new file, and keep each other’s events apart and in order', async () => {
    const count = 200;
    const writers = [
      startWriter('a', 'enqueue', count),
      startWriter('b', 'publish', count),
      startWriter('c', 'enqueue', count),
    ];
    const ends = await Promise.all(writers.map((writer) => writer.ended));
    expect(writers.flatMap(({ errors }) => errors)).toEqual([]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(new Set(writers.map((writer) => said(writer)[0].opened)).size).toBe(1);

    const rows = storedRows();
    const bySeq = new Map(rows.map(({ seq, id }) => [seq, id]));
    const accepted = writers.flatMap(acceptedBy);
    expect(accepted).toHaveLength(3 * count);
    expect(rows).toHaveLength(3 * count);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(3 * count);
    expect(accepted.filter(({ seq, id }) => bySeq.get(seq) !== id)).toEqual([]);
    for (const writer of writers) {
      const seqs = acceptedBy(writer).map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b)); // the order of its commits
    }
    for (const name of ['a', 'b', 'c']) {
      const own = rows.map(({ value }) => String(value)).filter((text) => text.startsWith(name));
      expect(own).toEqual(Array.from({ length: count }, (_, number) => `${name} ${number}`));
    }
  });

  it('lose nothing that was accepted when one is killed', async () => {
    const killed = startWriter('a', 'enqueue', 1_000_000);
    const other = startWriter('b', 'publish', 300);
    await killed.line('"number":100');
    await killed.kill();
    await other.ended;
    const ids = new Set(storedRows().map(({ id }) => id));
    const accepted = [...acceptedBy(killed), ...acceptedBy(other)];
    expect(accepted.length).toBeGreaterThan(400);
    expect(accepted.filter(({ id }) => !ids.has(id))).toEqual([]);
    // At most the one event whose acceptance was not told yet.
    expect(ids.size - accepted.length).toBeLessThanOrEqual(1);
  });

  it('are told in time when another one keeps the write lock, and nothing is stored', async () => {
    const clock = new RareClock();
    const outbox = openOutbox({ path }, { clock });
    const holder = startWriter('holder', 'hold', 1);
    await holder.line('"holding"');
    const busy = expect.objectContaining({ code: 'OUTBOX_BUSY', retryable: true });
    const event = { topic: 'orders', key: 'k', value: 'v' };
    const startedMs = performance.now();
    expect(() => outbox.enqueue(event)).toThrow(busy);
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThanOrEqual(limits.enqueueBusyTimeoutMs * 0.9);
    expect(tookMs).toBeLessThan(limits.enqueueBusyTimeoutMs * 10);

    let settled = false;
    const published = outbox.publish(event).finally(() => {
      settled = true;
    });
    const refusedPublish = expect(published).rejects.toEqual(busy);
    await clock.advance(limits.writeWaitMsDefault / 2);
    expect(settled).toBe(false);
    await clock.advance(limits.writeWaitMsDefault);
    await refusedPublish;

    await holder.kill();
    expect(storedRows()).toEqual([]);
    outbox.enqueue(event);
    await outbox.publish(event);
    expect(storedRows().map(({ seq }) => seq)).toEqual([1, 2]);
    await outbox.close();
  });
});

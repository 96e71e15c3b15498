/** Looking at an outbox file: which topics are told of, and that nothing is touched. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openOutbox } from 'outbox-relay';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import type { ContentFacts } from '../../../src/outbox/inspection.ts';
import { inspectOutboxFile, pendingSql } from '../../../src/outbox/sqlite/inspect.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-inspect-'));
  path = join(folder, 'shop.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function fill(topics: readonly string[], sql = ''): Promise<void> {
  const outbox = openOutbox({ path }, { lanes: 2 });
  outbox.enqueueMany(topics.map((topic) => ({ topic, value: 'v' })));
  await outbox.close();
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

function contents(file = path): ContentFacts {
  const found = inspectOutboxFile(file).contents;
  if (found === null || 'hint' in found) throw new Error(JSON.stringify(found));
  return found;
}

describe('the topics of an outbox', () => {
  it('are those of pending events and those that were sent to', async () => {
    await fill(
      ['delivered', 'pending', 'placed'],
      `UPDATE outbox_lanes SET cursor = 1;
       INSERT INTO outbox_topics VALUES ('placed', 6), ('quiet', 3)`,
    );
    const { topics, topicsCut } = contents();
    expect(topics?.toSorted((a, b) => a.topic.localeCompare(b.topic))).toEqual([
      { topic: 'pending', partitions: null },
      { topic: 'placed', partitions: 6 },
      { topic: 'quiet', partitions: 3 },
    ]);
    expect(topicsCut).toBe(false);
  });

  it('are bounded, pending ones first', async () => {
    const max = limits.doctorTopicsMax;
    const many = Array.from({ length: max }, (_, index) => `('a-${index}', 3)`).join();
    await fill(['pending'], `INSERT INTO outbox_topics VALUES ${many}`);
    const { topics, topicsCut } = contents();
    expect(topics).toHaveLength(max);
    expect(topics?.[0]).toEqual({ topic: 'pending', partitions: null });
    expect(topicsCut).toBe(true);
  });

  it('are found by a range of an index, at any backlog', async () => {
    await fill(['pending']);
    const db = new Database(path);
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${pendingSql}`).all(0, 0, 1);
    db.close();
    const details = plan.map((step) => (step as { detail: string }).detail);
    expect(details).toEqual([
      'SEARCH outbox_events USING INDEX outbox_events_by_lane (lane=? AND rowid>?)',
    ]);
  });
});

describe('looking', () => {
  it('leaves what a killed process has left: its log is not copied back', async () => {
    await fill(['pending']);
    const writer = new Database(path);
    writer.pragma('wal_autocheckpoint = 0');
    writer.exec("INSERT INTO outbox_topics VALUES ('in the log', 3)");
    const left = join(folder, 'left.db');
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, left + suffix);
    writer.close();
    const bytes = () => ['', '-wal'].map((suffix) => readFileSync(left + suffix, 'base64'));
    const before = bytes();
    expect(contents(left).topics).toContainEqual({ topic: 'in the log', partitions: 3 });
    expect(bytes()).toEqual(before);
  });

  it('leaves no side file beside a file that had none', async () => {
    await fill(['pending']);
    expect(contents()).toMatchObject({ journalMode: 'wal', autoVacuum: 2, synchronous: 2 });
    expect(readdirSync(folder)).toEqual(['shop.db']);
  });

  it('tells what is there when there is no file, nor a folder', () => {
    const { file, contents: none, folder: facts } = inspectOutboxFile(path);
    expect([file, none]).toEqual([null, null]);
    expect(facts).toMatchObject({ network: null, writable: true });
    expect(readdirSync(folder)).toEqual([]);
    const nowhere = inspectOutboxFile(join(folder, 'none', 'shop.db'));
    expect(nowhere.folder).toMatchObject({ code: 'ENOENT', hint: expect.any(String) });
  });

  it('tells of a folder in the place of a file, and does not open it', () => {
    const found = inspectOutboxFile(folder);
    expect(found.file).toMatchObject({
      code: 'FILE_UNUSABLE',
      message: `${folder} is a folder`,
      hint: expect.any(String),
    });
    expect(found.contents).toBeNull();
  });

  it('knows no topics of a file whose schema it may not use', async () => {
    await fill(['pending'], "INSERT INTO outbox_migrations VALUES (99, '0099_later.sql', 99, 0)");
    expect(contents()).toMatchObject({ topics: null, topicsCut: false });
  });
});

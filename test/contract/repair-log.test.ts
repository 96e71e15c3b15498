/** A log of changes that is damaged or left over: what it can still tell, and what it cannot. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFile, openOutbox, type RepairStep, repairFile } from '../../src/index.ts';
import { Child } from '../support/child.ts';
import { codeOf, DamagedFile, pageBytes, randomOf, seedOf } from '../support/damaged-file.ts';
import { runSql } from '../support/sql.ts';

const random = randomOf(seedOf('repair-log'));
const headerBytes = 32;
const frameBytes = pageBytes + 24;
let file: DamagedFile;

beforeEach(() => {
  file = new DamagedFile();
});
afterEach(() => file.remove());

/** The content of the side files, to be put in place once nobody has the file open any more. */
function asAfterKill(suffixes: readonly string[]): () => void {
  const kept = ['', ...suffixes].map((suffix) => file.bytes(file.path + suffix));
  return () => {
    for (const [index, suffix] of ['', ...suffixes].entries()) {
      writeFileSync(file.path + suffix, kept[index] as Buffer);
    }
  };
}

/** Copies nothing back by itself, as the last one to write before a kill. */
function opened() {
  const db = new Database(file.path);
  db.pragma('wal_autocheckpoint = 0');
  db.pragma('synchronous = FULL');
  const outbox = openOutbox({ db });
  const enqueue = (count: number, valueBytes = 300) => {
    const value = 'v'.repeat(valueBytes);
    for (let index = 0; index < count; index += 1) {
      const key = `k${index % 9}`;
      file.accepted.push(outbox.enqueue({ topic: 'orders', key, value }).id);
    }
  };
  return { db, enqueue };
}

const frames = () => (file.size(`${file.path}-wal`) - headerBytes) / frameBytes;
const hitFrame = (frame: number) => {
  const at = headerBytes + frame * frameBytes + 124;
  file.overwrite({ at, bytes: 512, file: `${file.path}-wal` }, random);
};
const lost = () => {
  const kept = file.kept();
  return file.accepted.filter((id) => !kept.has(id));
};
const appRows = () => Number(file.sql('SELECT count(*) AS n FROM app')[0]?.['n']);

/** 100 commits in the log, of which the first ones are in the file, too. */
async function commits(copiedAfter: number, suffixes = ['-wal', '-shm']): Promise<void> {
  await file.accept(50);
  const { db, enqueue } = opened();
  db.exec('CREATE TABLE app (id INTEGER PRIMARY KEY, text TEXT)');
  const insert = db.prepare('INSERT INTO app (text) VALUES (?)');
  for (let count = 1; count <= 100; count += 1) {
    db.transaction(() => {
      insert.run('x'.repeat(200));
      enqueue(1);
    })();
    if (count === copiedAfter) db.pragma('wal_checkpoint(PASSIVE)');
  }
  const putBack = asAfterKill(suffixes);
  db.close();
  putBack();
}

describe('a log that the file has all of, damaged after that', () => {
  const anywhere = () => Math.floor(frames() * (0.1 + 0.8 * random()));

  it.each(['a frame', 'the end'])('%s: the file is what is newest', async (what) => {
    await commits(100);
    if (what === 'a frame') hitFrame(anywhere());
    else truncateSync(`${file.path}-wal`, headerBytes + anywhere() * frameBytes + 700);
    expect(checkFile(file.path)).toMatchObject({ ok: false, worst: 'error' });
    const { result, complete, facts } = repairFile(file.path);
    expect({ result, complete }).toEqual({ result: 'repaired', complete: true });
    expect(facts?.events).toMatchObject({ read: 150, found: 0, lost: 0, lostExact: true });
    expect([lost(), appRows()]).toEqual([[], 100]);
    expect(checkFile(file.path).findings).toEqual([]);
  });

  it('a frame, and no index of the log tells: both are compared', async () => {
    await commits(100, ['-wal']);
    hitFrame(anywhere());
    const { result, complete } = repairFile(file.path);
    expect({ result, complete }).toEqual({ result: 'repaired', complete: false });
    expect([lost(), appRows()]).toEqual([[], 100]);
  });

  it('the end of a commit whose pages none has changed since: both, too', async () => {
    await commits(100, ['-wal']);
    const log = file.bytes(`${file.path}-wal`);
    const all = Array.from({ length: frames() }, (_, frame) => {
      const at = headerBytes + frame * frameBytes;
      return { page: log.readUInt32BE(at), isEnd: log.readUInt32BE(at + 4) > 0 };
    });
    const isLast = (frame: number) =>
      all.findLastIndex(({ page }) => page === all[frame]?.page) === frame;
    const frame = all.findIndex(
      ({ isEnd }, at) => at > 10 && isEnd && isLast(at - 1) && isLast(at),
    );
    hitFrame(frame);
    expect(repairFile(file.path)).toMatchObject({ result: 'repaired', complete: false });
    expect([lost(), appRows()]).toEqual([[], 100]);
  });

  it('the end, and the file was emptied: the log is what is left', async () => {
    await commits(100);
    truncateSync(`${file.path}-wal`, headerBytes + Math.floor(frames() * 0.8) * frameBytes);
    truncateSync(file.path, 0);
    const { facts } = repairFile(file.path);
    expect(facts?.events.read).toBeGreaterThan(20);
  });
});

describe('a log without a legal start', () => {
  it.each(['noise', 'one byte', 'none is left', 'gone'])(
    '%s: its index tells of it',
    async (what) => {
      await commits(0);
      const log = `${file.path}-wal`;
      if (what === 'noise') file.overwrite({ at: 0, bytes: 512, file: log }, random);
      else if (what === 'one byte') file.overwrite({ at: 24, bytes: 1, file: log }, random);
      else if (what === 'none is left') truncateSync(log, 0);
      else rmSync(log);
      expect(checkFile(file.path)).toMatchObject({ ok: false, worst: 'error' });
      const { result, complete } = repairFile(file.path);
      expect({ result, complete }).toEqual({ result: 'repaired', complete: false });
      // The first page of the log cannot be told from a damaged one; all others can.
      const isThere = what === 'noise' || what === 'one byte';
      if (isThere) expect(lost().length).toBeLessThanOrEqual(1);
    },
  );

  it.each(['damaged', 'gone'])('%s, is no trouble when the file has all of it', async (what) => {
    await commits(100);
    if (what === 'gone') rmSync(`${file.path}-wal`);
    else file.overwrite({ at: 0, bytes: 32, file: `${file.path}-wal` }, random);
    expect(checkFile(file.path).ok).toBe(true);
    expect([repairFile(file.path).result, lost(), appRows()]).toEqual(['nothing-to-do', [], 100]);
  });
});

describe('a log that the file has a part of, damaged after that', () => {
  it('and no index tells: events that were never copied are found all the same', async () => {
    await file.accept(50);
    const { db, enqueue } = opened();
    enqueue(200);
    const reader = new Database(file.path, { readonly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM outbox_events').get(); // it may not begin anew
    db.pragma('wal_checkpoint(PASSIVE)');
    enqueue(1);
    const putBack = asAfterKill(['-wal']);
    reader.close();
    db.close();
    putBack();
    for (let frame = 20; frame < 28; frame += 1) hitFrame(frame);
    const { complete } = repairFile(file.path);
    expect([lost(), complete]).toEqual([[], false]);
  });

  it('before the end of that part: the file is newer, and events behind it are found', async () => {
    await commits(60);
    hitFrame(Math.floor(frames() * 0.3));
    const { facts, complete } = repairFile(file.path);
    expect([lost(), complete]).toEqual([[], false]);
    expect(appRows()).toBeGreaterThanOrEqual(60);
    // Rows of the application in the commits behind it are lost, and nobody can count them.
    expect(facts?.tables.find(({ table }) => table === 'app')).toMatchObject({ lost: null });
  });

  it('behind it: what was committed before the damage is kept', async () => {
    await commits(30);
    hitFrame(Math.floor(frames() * 0.7));
    expect(checkFile(file.path).ok).toBe(false);
    const { facts, complete } = repairFile(file.path);
    expect(appRows()).toBeGreaterThan(50);
    expect(facts?.tables.find(({ table }) => table === 'app')).toMatchObject({ lost: null });
    expect([lost(), complete]).toEqual([[], false]);
  });

  it('and somebody has opened the file since: events behind it are found', async () => {
    await commits(0);
    hitFrame(Math.floor(frames() * 0.5));
    const opener = new Database(file.path);
    const [read] = opener.prepare('SELECT count(*) AS n FROM outbox_events').pluck().all();
    const putBack = asAfterKill(['-wal', '-shm']);
    opener.close();
    putBack();
    const { result, complete, facts } = repairFile(file.path);
    expect({ result, complete }).toEqual({ result: 'repaired', complete: false });
    expect(facts?.events.read).toBeGreaterThan(Number(read));
    expect(lost()).toEqual([]);
  });

  it('at its end, by a cut: the index of the log tells that commits are gone', async () => {
    await commits(0);
    truncateSync(`${file.path}-wal`, headerBytes + Math.floor(frames() * 0.6) * frameBytes);
    expect(checkFile(file.path).ok).toBe(false);
    const { result, complete, facts } = repairFile(file.path);
    expect({ result, complete }).toEqual({ result: 'repaired', complete: false });
    expect(facts?.events.lostExact).toBe(false);
    expect(lost().length).toBeGreaterThan(0);
  });
});

describe('a repair of a damaged log that is killed', () => {
  const killedAt = async (step: RepairStep) => {
    await commits(0);
    hitFrame(Math.floor(frames() * 0.5));
    const child = Child.node('test/support/repair-child.ts', [file.path, step]);
    expect(await child.ended).toMatchObject({ signal: 'SIGKILL' });
  };
  const left = () => readdirSync(file.folder).filter((name) => /repairing/.test(name));

  it.each<RepairStep>(['logNamedAside', 'oldInOneFile', 'recorded', 'logGone', 'replaced'])(
    'at %s is gone on with, and finds what stands behind the damage',
    async (step) => {
      await killedAt(step);
      const dry = repairFile(file.path, { dryRun: true });
      const { result, facts } = repairFile(file.path);
      expect(result).toBe(step === 'replaced' ? 'nothing-to-do' : 'repaired');
      expect(facts?.events).toEqual(dry.facts?.events);
      expect([lost(), left()]).toEqual([[], []]);
      expect(checkFile(file.path).ok).toBe(true);
    },
  );

  it('and whose file was written to since, keeps what it has found beside it', async () => {
    await killedAt('logGone');
    await file.accept(1);
    repairFile(file.path);
    const aside = readdirSync(file.folder).find((name) => name.endsWith('-repaired'));
    const kept = runSql<{ id: string }>(join(file.folder, String(aside)), allIds);
    const known = new Set([...file.kept(), ...kept.map(({ id }) => id)]);
    expect([file.accepted.filter((id) => !known.has(id)), left()]).toEqual([[], []]);
  });

  it('and whose file was written to since, is left as it is by a dry run', async () => {
    await killedAt('logGone');
    await file.accept(1);
    // The lock of the killed repair goes, as any lock that was held.
    const names = () =>
      readdirSync(file.folder).filter((name) => !/-repair(-journal)?$/.test(name));
    const content = () =>
      names().map((name) => [name, hashOf(file.bytes(join(file.folder, name)))]);
    const before = content();
    const [fresh] = left().filter((name) => name.endsWith('-new'));
    const bytes = file.bytes(join(file.folder, String(fresh)));
    repairFile(file.path, { dryRun: true });
    expect(content()).toEqual(before);
    repairFile(file.path);
    const aside = readdirSync(file.folder).find((name) => name.endsWith('-repaired'));
    expect(file.bytes(join(file.folder, String(aside))).equals(bytes)).toBe(true);
    expect(left()).toEqual([]);
  });

  it('and whose file has a new log since, keeps what it has found beside it', async () => {
    await killedAt('logGone');
    const inOneFile = file.bytes();
    const names = left();
    const fresh = join(file.folder, String(names.find((name) => name.endsWith('-new'))));
    const bytes = file.bytes(fresh);
    const { db, enqueue } = opened();
    const reader = new Database(file.path, { readonly: true });
    enqueue(1);
    reader.prepare('SELECT count(*) FROM outbox_events').get();
    expect(codeOf(() => repairFile(file.path))).toBe('FILE_IN_USE');
    expect(left()).toEqual(names);
    db.close();
    reader.close(); // the last one, and may not copy the log back
    expect(file.bytes().equals(inOneFile)).toBe(true);
    expect(frames()).toBeGreaterThan(0);
    repairFile(file.path, { dryRun: true });
    expect(file.bytes(fresh).equals(bytes)).toBe(true);

    repairFile(file.path);
    const [aside, ...more] = readdirSync(file.folder).filter((name) => /-repaired/.test(name));
    expect([more, left()]).toEqual([[], []]);
    expect(file.bytes(join(file.folder, String(aside))).equals(bytes)).toBe(true);
    expect(file.kept()).toContain(file.accepted.at(-1));
    const kept = runSql<{ id: string }>(join(file.folder, String(aside)), allIds);
    const known = new Set([...file.kept(), ...kept.map(({ id }) => id)]);
    expect(file.accepted.filter((id) => !known.has(id))).toEqual([]);
  });

  it('when a log without a legal start was all there was, is gone on with', async () => {
    await commits(0);
    rmSync(file.path);
    file.overwrite({ at: 24, bytes: 1, file: `${file.path}-wal` }, random);
    const child = Child.node('test/support/repair-child.ts', [file.path, 'logGone']);
    expect(await child.ended).toMatchObject({ signal: 'SIGKILL' });
    expect(existsSync(file.path)).toBe(false);
    expect(repairFile(file.path).result).toBe('repaired');
    expect(file.kept().size).toBeGreaterThan(50);
  });
});

const allIds = 'SELECT id FROM outbox_events';
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('what a commit that a power cut took has left in the log', () => {
  /** SQLite has dropped it, and has gone on: a smaller commit stands before what is left of it. */
  async function leftover(): Promise<void> {
    await file.accept(50);
    const { db, enqueue } = opened();
    enqueue(20);
    const before = frames();
    const accepted = file.accepted.length;
    db.transaction(() => enqueue(60, 3_000))();
    file.accepted.length = accepted;
    const putBack = asAfterKill(['-wal']);
    db.close();
    putBack();
    hitFrame(before);
    const again = opened();
    again.enqueue(1);
    const putBackAgain = asAfterKill(['-wal', '-shm']);
    again.db.close();
    putBackAgain();
  }

  it.each(['its index tells', 'check has made its index anew', 'its index is gone'])(
    'is no damage: %s',
    async (how) => {
      await leftover();
      if (how !== 'its index tells') expect(checkFile(file.path).findings).toEqual([]);
      if (how === 'its index is gone') truncateSync(`${file.path}-shm`, 0);
      expect(repairFile(file.path)).toMatchObject({ result: 'nothing-to-do', facts: null });
    },
  );

  it('is not taken for events by a repair that is told to', async () => {
    await leftover();
    const { result, complete } = repairFile(file.path, { force: true });
    expect({ result, complete }).toEqual({ result: 'repaired', complete: true });
    expect(file.kept()).toEqual(new Set(file.accepted));
  });
});

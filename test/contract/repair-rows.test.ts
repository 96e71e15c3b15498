/** What a repair makes of rows: bad sectors inside pages, and tables of unusual keys. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFile, type RepairReport, repairFile } from '../../src/index.ts';
import { DamagedFile, pageBytes, randomOf, seedOf } from '../support/damaged-file.ts';

const seed = seedOf('repair-rows');
const rounds = 10;
const sectorBytes = 512;
let random: () => number;
let file: DamagedFile;

beforeEach(async () => {
  random = randomOf(seed);
  file = new DamagedFile();
  await file.withHistory();
});
afterEach(() => file.remove());

const some = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

/** What a disk gives for one bad sector; its page's header is left, so that SQLite reads on. */
function damageSector(page: number): void {
  const sector = 1 + Math.floor(random() * (pageBytes / sectorBytes - 1));
  const at = (page - 1) * pageBytes + sector * sectorBytes;
  const isZero = random() < 0.3;
  file.overwrite({ at, bytes: sectorBytes }, isZero ? () => 0 : random);
}

/** Changes one row's number where it stands; both take two bytes. */
function renumber(name: string, number: number, to: number): void {
  const bytesOf = (value: number) => [0x80 | (value >> 7), value & 0x7f];
  const bytes = file.bytes();
  for (const page of file.pagesOf(name)) {
    const start = (page - 1) * pageBytes;
    for (let cell = 0; cell < bytes.readUInt16BE(start + 3); cell += 1) {
      let at = start + bytes.readUInt16BE(start + 8 + cell * 2);
      while (Number(bytes[at]) >= 0x80) at += 1; // how long the row is
      at += 1;
      if (!bytes.subarray(at, at + 2).equals(Buffer.from(bytesOf(number)))) continue;
      const changed = bytesOf(to).map((byte) => byte / 256);
      file.overwrite({ at, bytes: 2 }, () => changed.shift() ?? 0);
      return;
    }
  }
  throw new Error(`no row ${number}`);
}

const countOf = (name: string) => Number(file.sql(`SELECT count(*) AS n FROM ${name}`)[0]?.['n']);

const told = (report: RepairReport, name: string) =>
  report.facts?.tables.find(({ table }) => table === name);

const rows = "'x' || hex(zeroblob(40)) FROM n";
const numbers = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)';

/** Damages one sector of a table's leaf, repairs, and holds the report to what is there. */
function repairSector(name: string): { report: RepairReport; lost: string[] } {
  const delivered = file.delivered();
  damageSector(some(file.pagesOf(name)));
  const report = repairFile(file.path);
  const kept = file.kept();
  const lost = file.accepted.filter((id) => !delivered.has(id) && !kept.has(id));
  const { events } = report.facts ?? { events: { lost: 0, lostExact: true } };
  if (events.lostExact) expect(events.lost).toBe(lost.length);
  else expect(events.lost).toBeGreaterThanOrEqual(lost.length);
  if (report.complete) expect(lost).toEqual([]);
  return { report, lost };
}

async function eachRound(work: (round: number) => void): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    file.remove();
    file = new DamagedFile();
    await file.withHistory();
    work(round);
  }
}

describe('a bad sector inside a page', () => {
  it('of events: no more are lost than stood on the page, and all that are, are told', () =>
    eachRound(() => {
      const { lost } = repairSector('outbox_events');
      expect(lost.length).toBeLessThan(12);
    }));

  it('of events, of which one seq alone is another: what follows it is not lost', () => {
    // All that follows is pending; SQLite reads to where the seq says, without an error.
    renumber('outbox_events', 300, 16_000);
    const report = repairFile(file.path);
    expect(file.kept().size).toBe(403);
    expect(report.complete).toBe(false);
    expect(report.facts?.events).toMatchObject({ lost: 1, lostExact: false });
  });

  it('of the root of events: all are found', () =>
    eachRound(() => {
      const [root] = file.pagesOf('outbox_events', 'internal');
      damageSector(root as number);
      const report = repairFile(file.path);
      expect(file.kept().size).toBe(403);
      expect(report.facts?.events.lost ?? 0).toBe(0);
    }));

  it('of what is held: none of it counts as delivered', () =>
    eachRound(() => {
      holdAllThatIsPending();
      const { report, lost } = repairSector('outbox_held');
      expect(lost).toEqual([]);
      if (countOf('outbox_held') < 403) expect(report.complete).toBe(false);
      expect(file.kept().size).toBe(403);
    }));

  it.each(['i', 'random()'])('of a table of the application, numbered %s', (number) =>
    eachRound(() => {
      file.exec(`CREATE TABLE shop (id INTEGER PRIMARY KEY, x TEXT);
        ${numbers} INSERT OR IGNORE INTO shop SELECT ${number}, ${rows}`);
      const { report } = repairSector('shop');
      const there = countOf('shop');
      if (there < 2_000) expect(report.complete).toBe(false);
      if (report.facts !== null && there < 2_000) expect(told(report, 'shop')?.lost).toBe(null);
      expect(there).toBeGreaterThan(1_880);
    }),
  );

  it.each(['outbox_events_by_lane', 'outbox_held_by_key'])('of an index, %s', (name) =>
    eachRound(() => {
      const { lost } = repairSector(name);
      expect(lost).toEqual([]);
      expect(file.kept().size).toBe(403);
    }),
  );
});

describe('a row of an index', () => {
  it('that says it has four gigabytes is damage, not a want of memory', () => {
    const [leaf = 0] = file.pagesOf('outbox_events_by_lane');
    const start = (leaf - 1) * pageBytes;
    const at = start + file.bytes().readUInt16BE(start + 8);
    const length = [0xff, 0xff, 0xff, 0xff, 0x7f].map((byte) => byte / 256);
    file.overwrite({ at, bytes: 5 }, () => length.shift() ?? 0);
    const found = JSON.stringify(checkFile(file.path).findings);
    expect(found).toContain('sequence.behind: out of memory');
    expect(repairFile(file.path)).toMatchObject({ complete: true });
    expect(file.kept().size).toBe(403);
  });
});

/** As behind a topic that is stopped. */
function holdAllThatIsPending(): void {
  file.exec(`
    INSERT INTO outbox_held (seq, lane, topic, order_key, state)
    SELECT e.seq, e.lane, e.topic, e.key, 'blocked'
    FROM outbox_events AS e JOIN outbox_lanes AS l ON l.lane = e.lane WHERE e.seq > l.cursor;
    UPDATE outbox_lanes SET cursor = (SELECT max(seq) FROM outbox_events),
      held = (SELECT count(*) FROM outbox_held AS h WHERE h.lane = outbox_lanes.lane)`);
}

describe('a log of changes that has lost commits', () => {
  it('may repeat everything that is held', () => {
    holdAllThatIsPending();
    const db = new Database(file.path);
    db.pragma('wal_autocheckpoint = 0');
    db.exec('UPDATE outbox_lanes SET renewals = renewals + 1');
    const trusted = file.size(`${file.path}-wal`);
    db.exec('UPDATE outbox_lanes SET delivered = delivered + held, held = 0');
    db.exec('DELETE FROM outbox_held');
    // As a kill leaves it.
    const folder = join(file.folder, 'killed');
    mkdirSync(folder);
    const path = join(folder, 'shop.db');
    for (const suffix of ['', '-wal', '-shm']) copyFileSync(file.path + suffix, path + suffix);
    db.close();
    file.overwrite({ at: trusted + 24 + 200, bytes: 100, file: `${path}-wal` }, random);
    const { facts } = repairFile(path);
    expect(facts?.log.suspect).toBeGreaterThan(0);
    expect(facts?.mayRepeat).toBe(403);
  });
});

describe('an index of events', () => {
  it('that names one twice ends no repair', () => {
    renumberInIndex(680, 679);
    for (const page of file.pagesOf('outbox_events').slice(-3)) file.overwritePage(page, random);
    const delivered = file.delivered();
    const report = repairFile(file.path);
    const kept = file.kept();
    const lost = file.accepted.filter((id) => !delivered.has(id) && !kept.has(id));
    expect(lost.length).toBeGreaterThan(10);
    // The index says one fewer; the numbers that were given say how many there can be.
    expect(report.facts?.events).toMatchObject({ lostExact: false });
    expect(report.facts?.events.lost).toBeGreaterThanOrEqual(lost.length);
    expect(report.facts?.events.lost).toBeLessThan(lost.length + 5);
  });
});

/** In every leaf of the index of lanes: an entry ends with the seq, of two bytes. */
function renumberInIndex(seq: number, to: number): void {
  const bytes = file.bytes();
  const old = Buffer.from([seq >> 8, seq & 0xff]);
  for (const page of file.pagesOf('outbox_events_by_lane')) {
    const start = (page - 1) * pageBytes;
    for (let cell = 0; cell < bytes.readUInt16BE(start + 3); cell += 1) {
      const at = start + bytes.readUInt16BE(start + 8 + cell * 2);
      const end = at + 1 + Number(bytes[at]);
      if (!bytes.subarray(end - 2, end).equals(old)) continue;
      const changed = [to >> 8, to & 0xff].map((byte) => byte / 256);
      file.overwrite({ at: end - 2, bytes: 2 }, () => changed.shift() ?? 0);
      return;
    }
  }
  throw new Error(`no entry of ${seq}`);
}

describe('a table of the application', () => {
  const damage = () => file.overwritePage(file.pagesOf('outbox_events').at(-1) as number, random);

  it('with negative numbers, its first leaf damaged: the others are copied', () => {
    file.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, x TEXT);
      ${numbers} INSERT OR IGNORE INTO users SELECT random(), ${rows}`);
    file.overwritePage(firstLeafOf('users'), random);
    const report = repairFile(file.path);
    expect(countOf('users')).toBeGreaterThan(1_900);
    expect(told(report, 'users')).toMatchObject({ lost: null });
    expect(report.complete).toBe(false);
  });

  it('with few negative numbers, its first leaf damaged', () => {
    file.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, x TEXT);
      ${numbers} INSERT INTO users SELECT i - 1000, ${rows}`);
    file.overwritePage(firstLeafOf('users'), random);
    expect(told(repairFile(file.path), 'users')).toMatchObject({ lost: null });
    expect(countOf('users')).toBeGreaterThan(1_900);
  });

  it('with columns that are named like the row number: all rows, numbers as they were', () => {
    file.exec(`
      CREATE TABLE odd (id INTEGER PRIMARY KEY, _rowid_ INTEGER);
      INSERT INTO odd (_rowid_) VALUES (NULL), (1), (2), (-5), (-3);
      CREATE TABLE odder (_rowid_ INTEGER, rowid TEXT, oid INTEGER);
      INSERT INTO odder VALUES (NULL, 'a', 1), (NULL, 'a', 1), (3, 'b', NULL);
      CREATE TABLE falling (id INTEGER PRIMARY KEY DESC, x);
      INSERT INTO falling (rowid, id, x) VALUES (100, 1, 'a'), (200, 2, 'b');`);
    const all = () => [
      file.sql('SELECT * FROM odd ORDER BY id'),
      file.sql('SELECT * FROM odder'),
      file.sql('SELECT rowid AS number, * FROM falling ORDER BY rowid'),
    ];
    const before = all();
    damage();
    const report = repairFile(file.path);
    expect(all()).toEqual(before);
    for (const name of ['odd', 'odder', 'falling']) {
      expect(told(report, name)).toMatchObject({ lost: 0 });
    }
  });

  it('without row numbers, its key of another collation: what surrounds the damage', () => {
    file.exec(`
      CREATE TABLE words (a TEXT, b INTEGER, x TEXT, PRIMARY KEY (a COLLATE NOCASE, b DESC))
      WITHOUT ROWID;
      ${numbers} INSERT INTO words SELECT hex(randomblob(8)), i, ${rows}`);
    file.overwritePage(some(file.pagesOf('words')), random);
    expect(told(repairFile(file.path), 'words')).toMatchObject({ lost: null });
    expect(countOf('words')).toBeGreaterThan(1_900);
  });

  it('named as ours are, gives no number again', () => {
    file.exec(`
      CREATE TABLE outbox_messages (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT);
      INSERT INTO outbox_messages (x) VALUES ('a'), ('b'), ('c');
      DELETE FROM outbox_messages WHERE id = 3;`);
    damage();
    repairFile(file.path);
    file.exec("INSERT INTO outbox_messages (x) VALUES ('d')");
    expect(file.sql('SELECT max(id) AS id FROM outbox_messages')).toEqual([{ id: 4 }]);
  });
});

function firstLeafOf(name: string): number {
  const text = `SELECT pageno FROM dbstat WHERE name = '${name}' AND pagetype = 'leaf'
    ORDER BY path LIMIT 1`;
  return Number(file.sql(text)[0]?.['pageno']);
}

/** What the application has in the file beside the outbox: judged fairly, and salvaged or named. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFile, repairFile } from '../../src/index.ts';
import { codeOf, DamagedFile, pageBytes, randomOf, seedOf } from '../support/damaged-file.ts';
import { onWindows } from '../support/platform.ts';

const random = randomOf(seedOf('repair-schema'));
let file: DamagedFile;

beforeEach(async () => {
  file = new DamagedFile();
  await file.withHistory();
});
afterEach(() => file.remove());

/** As the application that has a function, or a collation, of its own. */
function asApplication(text: string): void {
  const db = new Database(file.path);
  db.function('slug', { deterministic: true }, (value) => String(value).toLowerCase());
  db.unsafeMode(true);
  db.exec(text);
  db.close();
}

const setSql = (table: string, sql: string) => `
  PRAGMA writable_schema = ON;
  UPDATE sqlite_schema SET sql = '${sql}' WHERE name = '${table}';
  PRAGMA writable_schema = RESET`;

const needy: readonly (readonly [string, string])[] = [
  [
    'a function in a constraint',
    `CREATE TABLE art (id INTEGER PRIMARY KEY, title TEXT CHECK (slug(title) <> ''));
    INSERT INTO art (title) VALUES ('A')`,
  ],
  [
    'a function in a generated column',
    `CREATE TABLE art (id INTEGER PRIMARY KEY, title TEXT, slug AS (slug(title)) STORED);
    INSERT INTO art (title) VALUES ('A')`,
  ],
  [
    'a function in an index',
    `CREATE TABLE art (id INTEGER PRIMARY KEY, title TEXT);
    INSERT INTO art (title) VALUES ('A');
    CREATE UNIQUE INDEX art_slug ON art (slug(title))`,
  ],
  [
    'a collation',
    `CREATE TABLE art (title TEXT PRIMARY KEY); INSERT INTO art VALUES ('A');
    ${setSql('art', 'CREATE TABLE art (title TEXT COLLATE icu PRIMARY KEY)')}`,
  ],
  [
    'a reference to what is no key',
    `PRAGMA foreign_keys = OFF; CREATE TABLE parents (id INTEGER);
    CREATE TABLE art (parent INTEGER REFERENCES parents (id)); INSERT INTO art VALUES (7)`,
  ],
];

describe('a sound file whose application has', () => {
  it.each(needy)('%s is left alone', (_, text) => {
    asApplication(text);
    const before = file.bytes();
    const { ok, findings } = checkFile(file.path);
    expect(ok).toBe(true);
    // SQLite's check does not ask for a column that is stored.
    const isAsked = !/STORED/.test(text);
    expect(findings.map(({ code }) => code)).toEqual(isAsked ? ['file.not_looked_at'] : []);
    if (isAsked) expect(findings[0]?.examples.join()).toMatch(/art/);
    expect(repairFile(file.path).result).toBe('nothing-to-do');
    expect(file.bytes().equals(before)).toBe(true);
  });
});

describe('a damaged file whose application has', () => {
  it.each(needy)('%s: the damage is found, and the outbox is salvaged', (_, text) => {
    asApplication(text);
    file.overwritePage(file.pagesOf('outbox_events_by_lane').at(-1) as number, random);
    expect(checkFile(file.path).worst).toBe('error');
    const { result, facts } = repairFile(file.path);
    expect(result).toBe('repaired');
    expect(facts?.events).toMatchObject({ lost: 0, lostExact: true });
    const isThere = file.sql("SELECT 1 FROM sqlite_schema WHERE name = 'art'").length === 1;
    expect(isThere || facts?.objectsLost.includes('table art')).toBe(true);
    expect(checkFile(file.path).ok).toBe(true);
  });
});

describe('a schema', () => {
  const many = 30;
  beforeEach(() => {
    const columns = "long_name TEXT NOT NULL DEFAULT 'some default text', another TEXT";
    for (let index = 0; index < many; index += 1) {
      file.exec(`CREATE TABLE app${index} (id INTEGER PRIMARY KEY, ${columns});
        INSERT INTO app${index} (another) VALUES ('x')`);
    }
  });

  const tables = () =>
    file.sql("SELECT name FROM sqlite_schema WHERE name GLOB 'app*' AND type = 'table'").length;
  const flip = (text: string) => {
    const bytes = file.bytes();
    const at = bytes.lastIndexOf(text);
    file.overwrite({ at, bytes: 1 }, () => 0x47 / 256); // CREATE becomes GREATE
  };

  it('of which a page is damaged: that tables are gone is told', () => {
    const [leaf] = file.pagesOf('sqlite_schema').slice(-1);
    file.overwritePage(leaf as number, random);
    const { complete, facts } = repairFile(file.path);
    expect(complete).toBe(false);
    expect(facts?.events).toMatchObject({ lost: 0, lostExact: true });
    expect(tables()).toBeLessThan(many);
    expect(facts?.objectsLost).toContain('what stood on a damaged page of the schema');
  });

  it('with a damaged statement of the application: only that table is lost, and named', () => {
    flip('CREATE TABLE app7 ');
    expect(checkFile(file.path).ok).toBe(false);
    const { complete, facts } = repairFile(file.path);
    expect({ complete, lost: facts?.objectsLost }).toEqual({
      complete: false,
      lost: ['table app7'],
    });
    expect(facts?.events).toMatchObject({ lost: 0, lostExact: true, found: 0 });
    expect(tables()).toBe(many - 1);
  });

  it('with a damaged statement of the outbox: nothing is lost', () => {
    flip('CREATE TABLE outbox_events ');
    expect(checkFile(file.path).ok).toBe(false);
    const { complete, facts } = repairFile(file.path);
    expect({ complete, lost: facts?.objectsLost }).toEqual({ complete: true, lost: [] });
    expect(facts?.events).toMatchObject({ lost: 0, lostExact: true, found: 0 });
    expect(tables()).toBe(many);
  });

  it('with a page that SQLite cannot read behind a damaged first page: without it', () => {
    file.overwritePage(1, random);
    // Its rows are as they were, but for the place of one: no page is so large.
    const bytes = file.bytes();
    const leaf = Math.floor(bytes.lastIndexOf('CREATE TABLE app7 ') / pageBytes);
    file.overwrite({ at: leaf * pageBytes + 8, bytes: 1 }, () => 0xff / 256);
    const { complete, facts } = repairFile(file.path);
    expect(complete).toBe(false);
    expect(facts?.events).toMatchObject({ lost: 0, lostExact: true });
    expect(facts?.objectsLost).toContain('what stood on a damaged page of the schema');
    expect(tables()).toBeGreaterThan(0);
  });

  it('that is newer, with its version unreadable, is left alone', () => {
    file.exec("ALTER TABLE outbox_events ADD COLUMN later TEXT DEFAULT 'x'");
    file.overwritePage(file.pagesOf('outbox_migrations')[0] as number, random);
    const before = file.bytes();
    expect(codeOf(() => repairFile(file.path))).toBe('SCHEMA_NEWER');
    expect(file.bytes().equals(before)).toBe(true);
  });
});

describe('a full-text table', () => {
  const rows = 2_000;
  const fill = (options: string) =>
    file.exec(`CREATE VIRTUAL TABLE fx USING fts5(body${options});
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
        INSERT INTO fx (rowid, body) SELECT i, 'word' || i || ' ' || hex(randomblob(40)) FROM n;
      INSERT INTO fx (fx) VALUES ('optimize')`);
  const damage = (table: string) => {
    const pages = file.pagesOf(table);
    const page = pages[1 + Math.floor(random() * (pages.length - 2))];
    file.overwritePage(page as number, random);
  };
  const count = (more = '') => Number(file.sql(`SELECT count(*) AS n FROM fx ${more}`)[0]?.['n']);

  it.each(['fx_content', 'fx_data', 'fx_docsize'])('%s: the index is made anew', (table) => {
    fill('');
    damage(table);
    const { facts } = repairFile(file.path);
    expect(facts?.events).toMatchObject({ lost: 0, lostExact: true });
    expect(facts?.objectsLost).toEqual([]);
    expect(count()).toBe(count("WHERE fx MATCH 'word*'"));
    expect(count()).toBeGreaterThan(rows / 2);
    if (table !== 'fx_content') expect(count()).toBe(rows);
    expect(checkFile(file.path).findings).toEqual([]);
  });

  it('without rows of its own is named when its index is damaged', () => {
    fill(", content=''");
    damage('fx_data');
    const { complete, facts } = repairFile(file.path);
    expect({ complete, lost: facts?.objectsLost }).toEqual({
      complete: false,
      lost: ['virtual table fx'],
    });
    expect(checkFile(file.path).findings).toEqual([]);
  });
});

it.skipIf(onWindows)('nobody else can read the new file while it is made', () => {
  const before = process.umask(0o022);
  try {
    chmodSync(file.path, 0o600);
    const modes: number[] = [];
    const onStep = () => {
      for (const name of readdirSync(file.folder).filter((one) => /repairing-.*-new/.test(one))) {
        modes.push(statSync(join(file.folder, name)).mode & 0o077);
      }
    };
    repairFile(file.path, { force: true, onStep });
    expect(modes.length).toBeGreaterThan(0);
    expect(modes.filter((mode) => mode !== 0)).toEqual([]);
  } finally {
    process.umask(before);
  }
});

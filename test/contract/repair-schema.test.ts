/** What the application has in the file beside the outbox: judged fairly, and salvaged or named. */
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFile, repairFile } from '../../src/index.ts';
import { DamagedFile, randomOf, seedOf } from '../support/damaged-file.ts';

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

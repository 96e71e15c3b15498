/** What may be an outbox and what may not, on real files: each refusal with its code and hint. */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative as relativePath } from 'node:path';
import Database from 'better-sqlite3';
import { OutboxRelayError, openOutbox, openStatus } from 'outbox-relay';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { openConnection } from '../../src/outbox/sqlite/connection.ts';
import { loadDatabaseConstructor } from '../../src/outbox/sqlite/database.ts';
import { migrate, parseMigration, readMigrations } from '../../src/outbox/sqlite/migrate.ts';
import { Child, root } from '../support/child.ts';
import { onLinux, onWindows } from '../support/platform.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-opening-'));
  path = join(folder, 'shop.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Code of the error, which must have a message and a hint. */
function refusal(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    if (!(error instanceof OutboxRelayError)) throw error;
    expect(error.message).not.toBe('');
    expect(error.hint).not.toBe('');
    return error.code;
  }
  return 'opened';
}

/** An application's handle, as it should be unless the pragmas say otherwise. */
function withHandle<T>(use: (db: Database.Database) => T, file = path): T {
  const db = new Database(file);
  try {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    return use(db);
  } finally {
    db.close();
  }
}

async function makeOutbox(lanes?: number): Promise<void> {
  await openOutbox({ path }, lanes === undefined ? {} : { lanes }).close();
}

describe('a path', () => {
  it('is refused when it names no file', () => {
    expect(refusal(() => openOutbox({ path: ':memory:' }))).toBe('FILE_IN_MEMORY');
    expect(refusal(() => openOutbox({ path: 'file::memory:' }))).toBe('FILE_IN_MEMORY');
    expect(refusal(() => openOutbox({ path: '' }))).toBe('FILE_IN_MEMORY');
    expect(refusal(() => openOutbox({ path: ' ' }))).toBe('FILE_IN_MEMORY');
  });

  it('is refused when it is a folder, in none, or no SQLite file', () => {
    mkdirSync(path);
    expect(refusal(() => openOutbox({ path }))).toBe('FILE_UNUSABLE');
    const inNone = join(folder, 'none', 'shop.db');
    expect(refusal(() => openOutbox({ path: inNone }))).toBe('FILE_UNUSABLE');
    const text = join(folder, 'notes.txt');
    writeFileSync(text, 'not a database, and long enough to be read as one'.repeat(100));
    expect(refusal(() => openOutbox({ path: text }))).toBe('FILE_UNUSABLE');
  });

  it('is neither made nor changed by looking at it', async () => {
    expect(refusal(() => openStatus(path))).toBe('FILE_NOT_FOUND');
    withHandle((db) => db.pragma('journal_mode = DELETE'));
    const before = readFileSync(path);
    expect(refusal(() => openStatus(path))).toBe('SCHEMA_MISSING');
    expect(readFileSync(path).equals(before)).toBe(true);
    await makeOutbox();
    expect(refusal(() => openStatus(path).close())).toBe('opened');
  });

  it.skipIf(onWindows)('is one outbox by whatever name', async () => {
    symlinkSync(path, join(folder, 'link.db'));
    const outbox = openOutbox({ path: join(folder, 'link.db') });
    expect(outbox.path).toBe(realpathSync(path));
    await outbox.close();
    const relative = openOutbox({ path: `./${relativePath(process.cwd(), path)}` });
    expect(relative.path).toBe(realpathSync(path));
    await relative.close();
  });

  it('has its number of lanes for good', async () => {
    expect(refusal(() => openOutbox({ path }, { lanes: 0 }))).toBe('CONFIG_INVALID');
    expect(refusal(() => openOutbox({ path }, { lanes: 257 }))).toBe('CONFIG_INVALID');
    expect(refusal(() => openOutbox({ path }, { lanes: 1.5 }))).toBe('CONFIG_INVALID');
    await makeOutbox(3);
    expect(refusal(() => openOutbox({ path }, { lanes: 8 }))).toBe('LANES_DIFFER');
    const outbox = openOutbox({ path });
    expect(outbox.identity.lanes).toBe(3);
    await outbox.close();
  });

  it('is refused when its schema is newer', async () => {
    await makeOutbox();
    withHandle((db) => {
      db.prepare("INSERT INTO outbox_migrations VALUES (999, '0999_later.sql', 999, 1)").run();
    });
    expect(refusal(() => openOutbox({ path }))).toBe('SCHEMA_NEWER');
    expect(refusal(() => openStatus(path))).toBe('SCHEMA_NEWER');
  });
});

describe('an application’s handle', () => {
  it('is refused when its database is in memory or temporary', () => {
    const inMemory = () => withHandle((db) => openOutbox({ db }), ':memory:');
    expect(refusal(inMemory)).toBe('FILE_IN_MEMORY');
    expect(refusal(() => withHandle((db) => openOutbox({ db }), ''))).toBe('FILE_IN_MEMORY');
  });

  it('is refused when it has another file attached', () => {
    const attached = () =>
      withHandle((db) => {
        db.prepare('ATTACH ? AS other').run(join(folder, 'other.db'));
        return openOutbox({ db });
      });
    expect(refusal(attached)).toBe('FILE_ATTACHED');
  });

  it('is refused when it only reads', async () => {
    await makeOutbox();
    const db = new Database(path, { readonly: true });
    expect(refusal(() => openOutbox({ db }))).toBe('FILE_UNUSABLE');
    db.close();
  });

  it.each([
    ['journal_mode = DELETE', 'WAL_UNAVAILABLE'],
    ['synchronous = NORMAL', 'SYNCHRONOUS_NOT_FULL'],
    ['synchronous = OFF', 'SYNCHRONOUS_NOT_FULL'],
  ])('is refused with %s', (pragma, code) => {
    const weak = () =>
      withHandle((db) => {
        db.pragma(pragma);
        return openOutbox({ db });
      });
    expect(refusal(weak)).toBe(code);
  });

  it('keeps its settings, its tables and its user_version', async () => {
    const db = new Database(path);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = EXTRA');
    db.pragma('busy_timeout = 1234');
    db.pragma('foreign_keys = OFF');
    db.pragma('user_version = 42');
    db.exec("CREATE TABLE events (id INTEGER, note TEXT); INSERT INTO events VALUES (1, 'mine')");
    db.exec('CREATE TABLE audit (at TEXT); CREATE INDEX outboxes ON audit (at)');
    const outbox = openOutbox({ db });
    outbox.enqueue({ topic: 'orders', key: 'k', value: 'v' });
    await outbox.publish({ topic: 'orders', key: 'k', value: 'v' });
    await outbox.close();
    const pragmas = ['synchronous', 'busy_timeout', 'foreign_keys', 'user_version'];
    const values = pragmas.map((name) => db.pragma(name, { simple: true }));
    expect(values).toEqual([3, 1_234, 0, 42]);
    expect(db.prepare('SELECT * FROM events').all()).toEqual([{ id: 1, note: 'mine' }]);
    const foreign = "SELECT name FROM sqlite_master WHERE name NOT LIKE '%outbox!_%' ESCAPE '!'";
    const names = db.prepare(`${foreign} AND name NOT LIKE 'sqlite%'`).pluck().all();
    expect(names.toSorted()).toEqual(['audit', 'events', 'outboxes']);
    db.close();
  });
});

describe('every connection of ours', () => {
  it('is in WAL with synchronous=FULL, on a new file and on one that was there', () => {
    for (const _ of ['new', 'there']) {
      const db = openConnection(loadDatabaseConstructor(), path, { create: true });
      expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
      expect(db.pragma('synchronous', { simple: true })).toBe(2);
      expect(db.pragma('fullfsync', { simple: true })).toBe(1); // macOS: else fsync() syncs little
      db.close();
    }
  });

  it('brings a file of another journal mode to WAL', async () => {
    withHandle((db) => db.pragma('journal_mode = DELETE'));
    await makeOutbox();
    const db = new Database(path, { readonly: true });
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    db.close();
  });
});

describe('a migration', () => {
  it('may have the line ends of Windows', () => {
    const sql = '-- oldest code: 1\r\nCREATE TABLE outbox_x (a);\r\n';
    expect(parseMigration('0002_x.sql', sql)).toMatchObject({ version: 2, oldestCode: 1 });
    expect(() => parseMigration('0002_x.sql', 'CREATE TABLE outbox_x (a);')).toThrow(/oldest code/);
  });

  it('that fails takes nothing from an application’s file and leaves nothing in it', () => {
    withHandle((db) => {
      db.exec('CREATE TABLE events (id); INSERT INTO events VALUES (1); PRAGMA user_version = 42');
    });
    const contents = () =>
      withHandle((db) => {
        const tables = db.prepare('SELECT type, name, rootpage, sql FROM sqlite_master').all();
        const events = db.prepare('SELECT * FROM events').all();
        return { tables, events, version: db.pragma('user_version', { simple: true }) };
      });
    const before = contents();
    const db = openConnection(loadDatabaseConstructor(), path, { create: true });
    const [first] = readMigrations();
    const bad = parseMigration('0001_bad.sql', `${first?.sql}; OOPS`);
    const options = { clock: systemClock, lanes: 8 };
    expect(refusal(() => migrate(db, options, [bad]))).toBe('MIGRATION_FAILED');
    db.close();
    expect(contents()).toEqual(before);
  });

  it('that fails leaves the schema before it, and the outbox usable', () => {
    const db = openConnection(loadDatabaseConstructor(), path, { create: true });
    const options = { clock: systemClock, lanes: 8 };
    const sql = '-- oldest code: 1\nCREATE TABLE outbox_x (a); OOPS';
    const known = readMigrations();
    const bad = parseMigration(`000${known.length + 1}_bad.sql`, sql);
    const before = refusal(() => migrate(db, options, [...known, bad]));
    expect(before).toBe('MIGRATION_FAILED');
    const tables = "SELECT name FROM sqlite_master WHERE name = 'outbox_x'";
    expect(db.prepare(tables).all()).toEqual([]);
    const version = 'SELECT max(version) FROM outbox_migrations';
    expect(db.prepare(version).pluck().get()).toBe(known.length);
    db.close();
    expect(refusal(() => openStatus(path).close())).toBe('opened');
  });
});

const source = JSON.stringify(new URL('../../src/index.ts', import.meta.url).href);

/** A script that opens an outbox and prints the code of what is thrown. */
const openAs = (file: string, how = 'openOutbox({ path })') => `
  const path = ${JSON.stringify(file)};
  import(${source}).then(({ openOutbox, openStatus }) => {
    try {
      ${how};
      console.log('opened');
    } catch (error) {
      console.log(error.code);
    }
  })`;

/** As a user whom permissions bind: root may write to any file. */
async function printedByNobody(script: string): Promise<string[]> {
  const command = [process.execPath, '-e', script];
  const [first = '', ...args] =
    process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', ...command] : command;
  const child = new Child(first, args);
  await child.ended;
  expect(child.errors).toEqual([]);
  return child.lines;
}

describe('two processes that migrate at once', () => {
  it('apply each migration once, also when one was faster after the other one looked', () => {
    const connect = () => openConnection(loadDatabaseConstructor(), path, { create: true });
    const [slow, fast] = [connect(), connect()];
    const options = { clock: systemClock, lanes: 8 };
    const migrations = readMigrations();
    const applied: string[][] = [];
    // `migrate` takes the missing ones when it has read the version and before it locks the file.
    const slice = (from: number) => {
      applied.push(migrate(fast, options));
      return Array.from(migrations).slice(from);
    };
    applied.push(migrate(slow, options, Object.assign(migrations, { slice })));
    expect(applied).toEqual([migrations.map(({ name }) => name), []]);
    expect(slow.prepare('SELECT count(*) FROM outbox_meta').pluck().get()).toBe(1);
    slow.close();
    fast.close();
  });
});

describe('a file that may only be read', () => {
  it.skipIf(onWindows)(
    'is refused for writing before the first event, and can be looked at',
    async () => {
      await makeOutbox();
      chmodSync(folder, 0o777);
      chmodSync(path, 0o444);
      expect(await printedByNobody(openAs(path))).toEqual(['FILE_UNUSABLE']);
      expect(await printedByNobody(openAs(path, 'openStatus(path).read()'))).toEqual(['opened']);
    },
  );

  it('is not taken for one while another process writes', async () => {
    await makeOutbox();
    const outbox = withHandle((db) => {
      db.exec('BEGIN IMMEDIATE');
      const opened = openOutbox({ path });
      db.exec('ROLLBACK');
      return opened;
    });
    await outbox.close();
  });
});

describe('a second copy of better-sqlite3', () => {
  it.each([
    // Elsewhere nobody tells what is loaded: two copies are found when both are used for outboxes.
    ['loaded', onLinux ? 'SQLITE_SECOND_COPY' : 'opened'],
    ['not loaded', 'opened'],
  ])('%s', async (how, result) => {
    const other = join(folder, 'node_modules', 'better-sqlite3');
    cpSync(join(root, 'node_modules', 'better-sqlite3'), other, { recursive: true });
    const load = `new (require(${JSON.stringify(other)}))(':memory:');`;
    const script = `${how === 'loaded' ? load : ''} ${openAs(path)}`;
    const child = new Child(process.execPath, ['-e', script]);
    await child.ended;
    expect([child.lines, child.errors]).toEqual([[result], []]);
  });

  it('is refused with the handle it made', async () => {
    const other = join(folder, 'node_modules', 'better-sqlite3');
    cpSync(join(root, 'node_modules', 'better-sqlite3'), other, { recursive: true });
    const script = `
      const Other = require(${JSON.stringify(other)});
      const db = new Other(${JSON.stringify(join(folder, 'other.db'))});
      db.pragma('journal_mode = WAL');
      import(${source}).then(({ openOutbox }) => {
        openOutbox({ db });
        try {
          openOutbox({ path: ${JSON.stringify(path)} });
        } catch (error) {
          console.log(error.code);
        }
      })`;
    const child = new Child(process.execPath, ['-e', script]);
    await child.ended;
    expect([child.lines, child.errors]).toEqual([['SQLITE_SECOND_COPY'], []]);
  });
});

/** What is around a repair: kills, who has the file open, the application's tables, the command. */
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  checkFile,
  createRelay,
  openOperator,
  openOutbox,
  openStatus,
  type RepairStep,
  repairFile,
} from '../../src/index.ts';
import { Child } from '../support/child.ts';
import { CommandLine } from '../support/cli.ts';
import { codeOf, DamagedFile, pageBytes, randomOf, seedOf } from '../support/damaged-file.ts';
import { onLinux, onWindows } from '../support/platform.ts';

const random = randomOf(seedOf('repair-around'));
let file: DamagedFile;

beforeEach(async () => {
  file = new DamagedFile();
  await file.withHistory();
});
afterEach(() => file.remove());

const damage = () => {
  const pages = file.pagesOf('outbox_events');
  file.overwritePage(pages.at(-2) as number, random);
};

/** Puts the file in place as a kill -9 leaves it: with a log that holds events. */
async function withLog(): Promise<void> {
  const db = new Database(file.path);
  db.prepare('SELECT 1 FROM outbox_meta').get(); // keeps the log when others close
  await file.accept(30);
  const crashed = join(file.folder, 'crashed');
  for (const suffix of ['', '-wal']) cpSync(file.path + suffix, crashed + suffix);
  db.close();
  for (const suffix of ['', '-wal']) {
    cpSync(crashed + suffix, file.path + suffix);
    rmSync(crashed + suffix);
  }
}

const steps: RepairStep[] = [
  'copied',
  'salvaged',
  'durable',
  'namedAside',
  'logNamedAside',
  'oldInOneFile',
  'recorded',
  'logGone',
  'replaced',
];

describe('a repair that is killed', () => {
  it.skipIf(onWindows).each(steps)('when it has reached %s: the next one goes on', async (step) => {
    const [page] = file.pagesOf('outbox_events').slice(-2);
    await withLog();
    file.overwritePage(page as number, random);
    const [bytes, log] = [file.bytes(), file.bytes(`${file.path}-wal`)];
    const child = Child.node('test/support/repair-child.ts', [file.path, step]);
    expect(await child.ended).toMatchObject({ signal: 'SIGKILL' });

    // Under the name is the old content or the new one: every event of the log is in either.
    expect(existsSync(file.path)).toBe(true);
    const isNew = checkFile(file.path).ok;
    expect(isNew).toBe(step === 'replaced');
    const report = repairFile(file.path);
    expect(report.result).toBe(isNew ? 'nothing-to-do' : 'repaired');
    expect(checkFile(file.path).ok).toBe(true);
    const left = readdirSync(file.folder);
    expect(left.filter((name) => /repair/.test(name))).toEqual([]);
    const kept = file.kept();
    const last = file.accepted.slice(-30);
    expect(last.filter((id) => !kept.has(id))).toEqual([]);

    // And the bytes that were damaged are still somewhere, with their log.
    const asides = left.filter((name) => /damaged-\w+(-\d+)?$/.test(name));
    const original = asides.filter((name) => file.bytes(join(file.folder, name)).equals(bytes));
    expect(original.length).toBeGreaterThan(0);
    const logs = original.map((name) => join(file.folder, `${name}-wal`)).filter(existsSync);
    expect(logs.some((name) => file.bytes(name).equals(log))).toBe(true);
  });
});

describe('a repair', () => {
  it('leaves a file alone that is in order, unless it is told to', () => {
    const before = file.bytes();
    expect(repairFile(file.path)).toMatchObject({ result: 'nothing-to-do', damagedPath: null });
    expect(file.bytes().equals(before)).toBe(true);
    const forced = repairFile(file.path, { force: true });
    expect(forced).toMatchObject({ result: 'repaired', complete: true });
    expect(file.bytes(String(forced.damagedPath)).equals(before)).toBe(true);
  });

  it('with dryRun says what it would come to, and changes nothing', () => {
    damage();
    const [before, names] = [file.bytes(), readdirSync(file.folder)];
    const dry = repairFile(file.path, { dryRun: true });
    expect(dry).toMatchObject({ result: 'repaired', dryRun: true, complete: false });
    expect(readdirSync(file.folder)).toEqual(names);
    expect(file.bytes().equals(before)).toBe(true);
    expect(repairFile(file.path).facts).toMatchObject({ events: dry.facts?.events });
  });

  it('is the same outbox afterwards, in a new incarnation', () => {
    const text = 'SELECT outbox_id, incarnation, lanes, created_at FROM outbox_meta';
    const [before] = file.sql(text);
    damage();
    repairFile(file.path);
    const [after] = file.sql(text);
    expect(after).toEqual({ ...before, incarnation: expect.any(String) });
    expect(after?.['incarnation']).not.toBe(before?.['incarnation']);
  });

  it.skipIf(onWindows)('keeps the rights of the file', () => {
    chmodSync(file.path, 0o640);
    damage();
    repairFile(file.path);
    expect(statSync(file.path).mode & 0o777).toBe(0o640);
  });

  it('waits for nobody: a connection, here or elsewhere, or a relay keeps it out', async () => {
    damage();
    const before = file.bytes();
    const db = new Database(file.path);
    db.prepare('SELECT 1 FROM outbox_meta').get();
    expect(codeOf(() => repairFile(file.path))).toBe('FILE_IN_USE');
    const cli = new CommandLine();
    const { code, err } = await cli.run(['repair', '--db', file.path, '--json']);
    expect(code).toBe(4);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'FILE_IN_USE' } });
    db.close();
    const relay = createRelay(
      { db: file.path, brokers: ['memory:9092'] },
      { createDriver: () => file.kafka },
    );
    file.kafka.goAway();
    await relay.start();
    const refused = await cli.run(['repair', '--db', file.path]);
    expect(refused.err).toMatch(/^FILE_IN_USE: /);
    await relay.stop();
    await cli.close();
    expect(file.bytes().length).toBe(before.length);
    expect(repairFile(file.path).result).toBe('repaired');
  });

  it.skipIf(!onLinux)('sees who has a file open that no lock can be had on', async () => {
    file.overwritePage(1, random);
    const held = new Child('sh', ['-c', 'exec 3<"$0"; echo open; exec sleep 600', file.path]);
    await held.line('open');
    expect(codeOf(() => repairFile(file.path))).toBe('FILE_IN_USE');
    await held.kill();
    expect(repairFile(file.path).result).toBe('repaired');
  });

  it('lets nobody open the file while it works', async () => {
    const [page] = file.pagesOf('outbox_events').slice(-2);
    await withLog();
    file.overwritePage(page as number, random);
    const opened = () => {
      const db = new Database(file.path, { timeout: 0 });
      try {
        db.prepare('SELECT 1 FROM outbox_meta').get();
      } finally {
        db.close();
      }
    };
    const seen: string[] = [];
    repairFile(file.path, { onStep: (step) => seen.push(`${step} ${codeOf(opened)}`) });
    expect(seen).toEqual([
      ...steps.slice(0, -1).map((step) => `${step} SQLITE_BUSY`),
      'replaced done',
    ]);
  });

  // What it does while it waits is seen in /proc alone.
  describe.skipIf(!onLinux)('beside an application that begins to open the file', () => {
    const begin = (timeoutMs: number) => {
      const opened = join(file.folder, 'opened');
      rmSync(opened, { force: true });
      const child = Child.node('test/support/waiting-writer.ts', [
        ...[file.path, opened, String(timeoutMs)],
      ]);
      const cell = new Int32Array(new SharedArrayBuffer(4));
      while (!existsSync(opened)) Atomics.wait(cell, 0, 0, 10); // a repair blocks
      return child;
    };
    beforeEach(() => {
      file.exec("CREATE TABLE shop (name); INSERT INTO shop VALUES ('early')");
      damage();
    });

    it.each(['copied', 'namedAside', 'oldInOneFile'])('at %s: outlasts it', async (when) => {
      await withLog();
      let child: Child | undefined;
      const onStep = (step: RepairStep) => {
        if (step === when) child = begin(2_000);
      };
      expect(repairFile(file.path, { onStep }).result).toBe('repaired');
      expect(await child?.ended).toMatchObject({ signal: 'SIGKILL' });
      expect(child?.lines).toEqual(['SQLITE_BUSY']);
      expect(checkFile(file.path).ok).toBe(true);
      expect(file.sql('SELECT name FROM shop')).toEqual([{ name: 'early' }]);
    });

    it('that does not give up, says so: before anything is changed, or when all is', async () => {
      const children: Child[] = [];
      const repairing = (when: RepairStep) => () =>
        repairFile(file.path, {
          openersMs: 100,
          onStep: (step) => {
            if (step === when) children.push(begin(600_000));
          },
        });
      const before = file.bytes();
      expect(repairing('copied')).toThrow(/shop\.db is not changed: process \d+ began to open it/);
      await children[0]?.kill();
      expect(file.bytes().equals(before)).toBe(true);
      expect(repairing('namedAside')).toThrow(
        /is repaired, and what was damaged is .*; but process/,
      );
      await children[1]?.kill();
      expect(checkFile(file.path).ok).toBe(true);
    });
  });

  it('takes the application’s tables along, and what is built on them', async () => {
    file.exec(`
      PRAGMA user_version = 7;
      CREATE TABLE shop (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, total REAL);
      CREATE TABLE tags (tag TEXT, shop INTEGER, PRIMARY KEY (tag, shop)) WITHOUT ROWID;
      CREATE TABLE loose (big INTEGER, bytes BLOB, twice AS (big * 2));
      CREATE INDEX shop_total ON shop (total);
      CREATE VIEW rich AS SELECT name FROM shop WHERE total > 90;
      CREATE TRIGGER shop_made AFTER INSERT ON shop BEGIN
        INSERT INTO tags VALUES ('new', NEW.id); END;
      CREATE VIRTUAL TABLE notes USING fts5(body);
      INSERT INTO notes VALUES ('red socks'), ('blue hat');
      INSERT INTO loose (rowid, big, bytes) VALUES (9000000000000000000, 9007199254740993, x'00ff');
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
      INSERT INTO shop (name, total) SELECT printf('shop %d %s', i, hex(zeroblob(40))), i FROM n;
      DELETE FROM shop WHERE id = 500;`);
    const [shopPage] = file.pagesOf('shop').slice(2);
    const tags = file.sql('SELECT * FROM tags');
    file.overwritePage(shopPage as number, random);
    damage();
    const report = repairFile(file.path);
    const { tables = [], objectsLost } = report.facts ?? {};
    expect(objectsLost).toEqual([]);
    expect(report.complete).toBe(false);
    const read = new Map(tables.map((one) => [one.table, one]));
    expect(read.get('shop')).toMatchObject({ lost: null });
    const shops = Number(file.sql('SELECT count(*) AS n FROM shop')[0]?.['n']);
    expect(shops).toBeGreaterThan(400);
    expect(shops).toBeLessThan(499);
    expect(file.sql('SELECT * FROM tags')).toEqual(tags); // the trigger did not run
    expect(file.sql('PRAGMA user_version')).toEqual([{ user_version: 7 }]);
    expect(file.sql("SELECT body FROM notes WHERE notes MATCH 'socks'")).toEqual([
      { body: 'red socks' },
    ]);
    const loose =
      'SELECT CAST(rowid AS TEXT) AS id, CAST(big AS TEXT) AS big, hex(bytes) AS h FROM loose';
    expect(file.sql(loose)).toEqual([
      { id: '9000000000000000000', big: '9007199254740993', h: '00FF' },
    ]);
    file.exec("INSERT INTO shop (name) VALUES ('another')");
    const newest = file.sql('SELECT max(id) AS id FROM shop');
    expect(newest).toEqual([{ id: 501 }]); // 500 was given, and is not given again
    expect(Number(file.sql('SELECT count(*) AS n FROM rich')[0]?.['n'])).toBeGreaterThan(300);
  });

  it('is refused for a newer schema, and brings an older damaged one to this version', () => {
    file.exec("INSERT INTO outbox_migrations VALUES (999, '0999_later.sql', 999, 1)");
    damage();
    expect(codeOf(() => repairFile(file.path))).toBe('SCHEMA_NEWER');
    file.exec('DELETE FROM outbox_migrations WHERE version = 999');
    expect(repairFile(file.path).result).toBe('repaired');
  });
});

describe('a damaged file', () => {
  it.each([
    ['a page of the schema', 'FILE_DAMAGED'],
    ['the first page', 'FILE_UNUSABLE'],
  ])('%s: every command says so, names the way out, and writes nothing', async (which, code) => {
    const leaf = file.pagesOf('sqlite_schema').at(-1) as number;
    file.overwritePage(which === 'the first page' ? 1 : leaf, random);
    const before = file.bytes();
    const handle = new Database(file.path);
    const openings = [
      () => openOutbox({ path: file.path }),
      () => openOutbox({ db: handle }),
      () => openStatus(file.path),
      () => openOperator(file.path),
    ];
    expect(openings.map(codeOf)).toEqual([code, code, code, code]);
    handle.close();
    const relay = createRelay({ db: file.path, brokers: ['127.0.0.1:1'] });
    await expect(relay.start()).rejects.toMatchObject({ code });
    const cli = new CommandLine();
    for (const command of ['status', 'run']) {
      const ended = await cli.run([command, '--db', file.path]);
      expect(ended.code).toBe(command === 'run' ? 2 : 4); // run wants brokers first
      if (command === 'status') expect(ended.err).toMatch(/hint: .*outbox-relay repair/);
    }
    const run = await cli.run(['run', '--db', file.path, '--brokers', '127.0.0.1:1']);
    expect(run.err + run.out).toMatch(new RegExp(code));
    await cli.close();
    expect(file.bytes().equals(before)).toBe(true);
  });

  it('whose log alone is left is not made anew', () => {
    const log = `${file.path}-wal`;
    rmSync(file.path);
    writeFileSync(log, Buffer.alloc(pageBytes));
    expect(codeOf(() => openOutbox({ path: file.path }))).toBe('FILE_DAMAGED');
    expect(existsSync(file.path)).toBe(false);
    expect(file.size(log)).toBe(pageBytes);
  });
});

describe('the command', () => {
  it('prints a table, or JSON, and ends with 11 when something is lost', async () => {
    damage();
    const cli = new CommandLine();
    const dry = await cli.run(['repair', '--db', file.path, '--dry-run', '--json']);
    expect(dry.code).toBe(11);
    expect(JSON.parse(dry.out)).toMatchObject({ result: 'repaired', dryRun: true });
    const { code, out } = await cli.run(['repair', '--db', file.path, '--reason', 'disk 3']);
    expect(code).toBe(11);
    expect(out).toMatch(/^outbox_events +\d+ +unknown$/m);
    expect(out).toMatch(/^events: \d+ saved, lost while pending or held: \d+$/m);
    expect(out).toMatch(/^the damaged file is .*shop\.db\.damaged-\d{8}T\d{6}Z$/m);
    const again = await cli.run(['repair', '--db', file.path]);
    expect(again).toMatchObject({ code: 0, out: expect.stringMatching(/nothing to do$/) });
    const audit = await cli.run(['audit', '--db', file.path, '--json']);
    expect(JSON.parse(audit.out)).toMatchObject({ verb: 'repair', reason: 'disk 3' });
    await cli.close();
  });
});

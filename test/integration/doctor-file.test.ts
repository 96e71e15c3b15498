/** What the doctor says of a file, its disk and its SQLite: each trouble is made, then found. */
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type Diagnosis, diagnose, openOutbox } from 'outbox-relay';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMigrations } from '../../src/outbox/sqlite/migrate.ts';
import { Child, root } from '../support/child.ts';
import { CommandLine } from '../support/cli.ts';
import { nowhere, said } from '../support/doctor.ts';

let cli: CommandLine;
let kafka: string;

beforeEach(async () => {
  cli = new CommandLine();
  kafka = await nowhere();
  await openOutbox({ path: cli.db }).close();
  chmodSync(cli.db, 0o600);
});
afterEach(() => cli.close());

const examined = (db = cli.db) => diagnose({ db, brokers: [kafka] });

function alter(sql: string, file = cli.db): void {
  const db = new Database(file);
  db.exec(sql);
  db.close();
}

/** What the command says, as a process that `before` starts: another user, another mount. */
async function printed(before: readonly string[], args: readonly string[] = [], code = root) {
  const main = join(code, 'src', 'cli', 'main.ts');
  const given = ['--db', cli.db, '--brokers', kafka, '--json', ...args];
  const command = [...before, process.execPath, main, 'doctor', ...given];
  const [first = '', ...rest] = command;
  const child = new Child(first, rest);
  const ended = await child.ended;
  expect(child.errors).toEqual([]);
  expect(ended.code).toBe(7); // Kafka is away
  return JSON.parse(child.lines.join('\n')) as Diagnosis;
}

/** What it says in a process that has run this CommonJS code before. */
function printedAfter(code: string, args: readonly string[] = []) {
  const file = cli.write('before.cjs', code);
  return printed(['env', `NODE_OPTIONS=--require=${file}`], args);
}

describe('the SQLite of a process', () => {
  const installed = join(root, 'node_modules', 'better-sqlite3');

  /** A copy as another package may bring it, with its own native part. */
  function copied(): string {
    const copy = cli.path(join('node_modules', 'better-sqlite3'));
    cpSync(installed, copy, { recursive: true });
    return copy;
  }

  /** In the place of better-sqlite3, as it would be found by the project itself. */
  const replacedBy = (expression: string) => `
    const path = require.resolve('${installed}');
    const Database = require(path);
    require.cache[path].exports = ${expression};`;

  it('is in order with one copy that is new enough', async () => {
    const diagnosis = await printed([]);
    expect(said(diagnosis, 'sqlite.version')).toEqual([expect.stringMatching(/^ok: SQLite 3\./)]);
    expect(said(diagnosis, 'sqlite.copies')).toEqual(['ok: one copy of SQLite in this process']);
  });

  it('is an error when it is older than the first without the bug', async () => {
    const old = `class extends Database {
      constructor(...args) {
        super(...args);
        this.function('sqlite_version', () => '3.51.2');
      }
    }`;
    expect(said(await printedAfter(replacedBy(old)), 'sqlite.version')).toEqual([
      'error: SQLite 3.51.2 is older than 3.51.3',
    ]);
  });

  it('is an error when its native part does not load', async () => {
    const copy = copied();
    for (const name of readdirSync(join(copy, 'prebuilds'))) {
      writeFileSync(join(copy, 'prebuilds', name), 'built for another machine');
    }
    const diagnosis = await printedAfter(replacedBy(`require('${copy}')`));
    expect(said(diagnosis, 'sqlite.version')).toEqual([
      expect.stringMatching(/^error: ERR_DLOPEN_FAILED: loading better-sqlite3: /),
    ]);
    expect(said(diagnosis, 'file.open')).toEqual([]);
  });

  it('is an error when a connection of ours does not get synchronous FULL', async () => {
    // As a build with SQLITE_OMIT_PAGER_PRAGMAS: the setting is taken without a word.
    const weak = `class extends Database {
      pragma(source, options) {
        return source.startsWith('synchronous =') ? [] : super.pragma(source, options);
      }
    }`;
    expect(said(await printedAfter(replacedBy(weak)), 'file.synchronous')).toEqual([
      'error: synchronous stays at 1 on a connection of ours',
    ]);
  });

  it('is an error when there are two copies, and the file is not looked into', async () => {
    const diagnosis = await printedAfter(`new (require('${copied()}'))(':memory:');`);
    expect(said(diagnosis, 'sqlite.copies')).toEqual([
      expect.stringMatching(/^error: SQLITE_SECOND_COPY: 2 copies of better-sqlite3 are loaded/),
    ]);
    expect(said(diagnosis, 'file.open')).toEqual([]);
  });

  const builtin = "const { DatabaseSync } = require('node:sqlite');";
  const quiet = "process.removeAllListeners('warning');"; // it is experimental in Node 22

  it('is worth a note when node:sqlite is loaded, too', async () => {
    const diagnosis = await printedAfter(`${quiet} ${builtin}`);
    expect(said(diagnosis, 'sqlite.copies')).toEqual([
      'note: node:sqlite is loaded; nothing in this process has the file open',
    ]);
    expect(said(diagnosis, 'file.open')).toEqual(['ok: SQLite opens it']);
  });

  it('is a warning when node:sqlite may have the file open, which is not looked into', async () => {
    const open = `globalThis.kept = new DatabaseSync('${cli.db}');`;
    const diagnosis = await printedAfter(`${quiet} ${builtin} ${open}`);
    expect(said(diagnosis, 'sqlite.copies')).toEqual([
      expect.stringMatching(/^warning: node:sqlite is loaded, and the file may be open/),
    ]);
    expect(said(diagnosis, 'file.open')).toEqual([]);
  });

  it('keeps the locks that node:sqlite has on the file', async () => {
    const lock = `globalThis.kept = new DatabaseSync('${cli.db}'); kept.exec('BEGIN IMMEDIATE');
      process.on('exit', () => {
        const { execFileSync } = require('node:child_process');
        const again = "new (require('${installed}'))('${cli.db}', { timeout: 0 })" +
          ".exec('BEGIN IMMEDIATE')";
        try {
          execFileSync(process.execPath, ['-e', again], { stdio: 'pipe', env: {} });
          process.stderr.write('another process has the lock too');
        } catch (error) {
          if (!String(error.stderr).includes('SQLITE_BUSY')) throw error;
        }
      });`;
    await printedAfter(`${quiet} ${builtin} ${lock}`);
  });
});

/** Permissions bind everybody but root, so it is asked as nobody. */
const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534'] : [];

describe('a user', () => {
  it('who may not make files in the folder', async () => {
    chmodSync(cli.db, 0o666);
    chmodSync(cli.folder, 0o555);
    const diagnosis = await printed(asNobody);
    chmodSync(cli.folder, 0o755);
    expect(said(diagnosis, 'file.folder')).toEqual([
      'error: this user may not make files in the folder',
    ]);
    expect(said(diagnosis, 'file.access')).toEqual(['ok: this user may read and write the file']);
  });

  it('who may not write the file', async () => {
    chmodSync(cli.db, 0o444);
    chmodSync(cli.folder, 0o777);
    const diagnosis = await printed(asNobody);
    expect(said(diagnosis, 'file.access')).toEqual([
      'error: this user may not read and write the file',
    ]);
    expect(said(diagnosis, 'file.mode')).toEqual(['note: mode 0444: others may read']);
    expect(said(diagnosis, 'file.folder')).toEqual(['ok: this user may make files in the folder']);
  });

  it('who names a folder that is not there', async () => {
    const diagnosis = await examined(cli.path(join('none', 'shop.db')));
    expect(said(diagnosis, 'file.folder')).toEqual([expect.stringMatching(/^error: ENOENT: /)]);
  });

  it('who lets the group read', async () => {
    chmodSync(cli.db, 0o640);
    expect(said(await examined(), 'file.mode')).toEqual(['note: mode 0640: its group may, too']);
  });

  it('who lets everybody write', async () => {
    chmodSync(cli.db, 0o666);
    expect(said(await examined(), 'file.mode')).toEqual(['warning: mode 0666: others may write']);
  });
});

describe('a disk', () => {
  /** A mount of the process that looks alone: nothing of it is left when that ends. */
  async function onMount(script: string): Promise<Diagnosis> {
    const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
    const disk = cli.folder;
    // The mount hides what is in the folder, so the file is kept in a descriptor meanwhile.
    const moved = `exec 3<"$0/shop.db" && ${script} && cat <&3 >"$0/shop.db" && exec "$@"`;
    return printed(['unshare', '--mount', ...asRoot, 'sh', '-c', moved, disk]);
  }

  it('in memory, nearly full', async () => {
    const diagnosis = await onMount('mount -t tmpfs -o size=1m none "$0"');
    expect(said(diagnosis, 'file.system')).toEqual(['warning: in memory (tmpfs)']);
    expect(said(diagnosis, 'file.disk')).toEqual([
      expect.stringMatching(/^error: \d+(\.\d)? KiB free$/),
    ]);
    expect(said(diagnosis, 'file.open')).toEqual(['ok: SQLite opens it']);
  });

  it('with less room than an outage needs', async () => {
    const diagnosis = await onMount('mount -t tmpfs -o size=1000m none "$0"');
    expect(said(diagnosis, 'file.disk')).toEqual([
      expect.stringMatching(/^warning: 999\.\d MiB free$/),
    ]);
  });

  it('with room, in the layer of a container', async () => {
    const layers = '-o lowerdir="$0/low",upperdir="$0/disk/up",workdir="$0/disk/work"';
    const diagnosis = await onMount(
      'mkdir -p "$0/low" "$0/disk" && mount -t tmpfs -o size=2000m none "$0/disk" && ' +
        `mkdir "$0/disk/up" "$0/disk/work" && mount -t overlay ${layers} none "$0"`,
    );
    expect(said(diagnosis, 'file.system')).toEqual([
      'warning: in the writable layer of a container (overlay)',
    ]);
    expect(said(diagnosis, 'file.disk')).toEqual([expect.stringMatching(/^ok: 1\.\d GiB free$/)]);
  });
});

describe('a file', () => {
  it('that is not there is not made', async () => {
    const db = cli.path('none.db');
    expect(said(await examined(db), 'file.exists')).toEqual([`error: ${db} does not exist`]);
    expect(existsSync(db)).toBe(false);
  });

  it('in whose place there is a folder', async () => {
    const diagnosis = await examined(cli.folder);
    const found = `error: FILE_UNUSABLE: ${cli.folder} is a folder`;
    expect(said(diagnosis, 'file.exists')).toEqual([found]);
    expect(said(diagnosis, 'file.access')).toEqual([]);
    expect(said(diagnosis, 'file.mode')).toEqual([]);
    expect(said(diagnosis, 'file.open')).toEqual([]);
  });

  it('that is no outbox, or none of SQLite', async () => {
    const empty = cli.path('application.db');
    alter('CREATE TABLE orders (id)', empty);
    const application = await examined(empty);
    expect(said(application, 'file.schema')).toEqual(['error: the file has no outbox tables']);
    const text = cli.write('text.db', 'no SQLite file, whatever its name says'.repeat(40));
    const other = await examined(text);
    expect(said(other, 'file.open')[0]).toMatch(/^error: FILE_UNUSABLE/);
  });

  it('with a schema that the next version of this code brings further', async () => {
    const next = cli.path('next');
    for (const part of ['src', 'migrations', 'package.json']) {
      cpSync(join(root, part), join(next, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(next, 'node_modules'));
    const known = readMigrations().length;
    const name = `${String(known + 1).padStart(4, '0')}_next.sql`;
    const sql = '-- oldest code: 1\nCREATE TABLE outbox_next (a);';
    writeFileSync(join(next, 'migrations', name), sql);
    const found = `the file has schema ${known}, this version brings it to ${known + 1}`;
    const schema = async (migrate: string) =>
      said(await printed([], ['--migrate', migrate], next), 'file.schema');
    expect(await schema('auto')).toEqual([expect.stringMatching(`^note: ${found}`)]);
    expect(await schema('check')).toEqual([expect.stringMatching(`^error: ${found}`)]);
  });

  it('with a log of changes that a reader keeps from starting anew', async () => {
    const writer = new Database(cli.db);
    writer.exec('UPDATE outbox_lanes SET lane = lane');
    expect(said(await examined(), 'file.wal')).toEqual([expect.stringMatching(/^ok: .* KiB/)]);
    // SQLite reads no further than its index of the log says: the rest takes no disk here.
    truncateSync(`${cli.db}-wal`, 2 ** 28);
    const large = said(await examined(), 'file.wal');
    writer.close();
    expect(large).toEqual(['warning: 256 MiB in the log of changes (-wal)']);
  });

  it('that somebody has taken out of WAL', async () => {
    alter('PRAGMA journal_mode = DELETE');
    expect(said(await examined(), 'file.journal')).toEqual([
      'warning: journal_mode delete, not wal',
    ]);
    expect(said(await examined(), 'file.synchronous')).toEqual([
      'ok: connections of ours commit with synchronous FULL',
    ]);
  });

  it('of an application that keeps its unused pages', async () => {
    const file = cli.path('application.db');
    alter('CREATE TABLE photos (bytes BLOB)', file);
    await openOutbox({ path: file }).close();
    const some = `INSERT INTO photos VALUES (zeroblob(${65 * 1_024 ** 2}))`;
    alter(`PRAGMA synchronous = OFF; ${some}; DELETE FROM photos`, file);
    expect(said(await examined(file), 'file.free_pages')).toEqual([
      expect.stringMatching(/^note: 6\d(\.\d)? MiB in unused pages, kept because auto_vacuum/),
    ]);
    expect(said(await examined(), 'file.free_pages')).toEqual(['ok: 0 bytes in unused pages']);
  });
});

describe('a lease that no send fits into', () => {
  const times = ['--lease', '24999', '--send-timeout', '20000'];

  it('is found, though run and every other command refuse it', async () => {
    expect(said(await printed([], times), 'timing.lease')).toEqual([
      'error: lease 24999 ms, longest send 20000 ms',
    ]);
    const run = await cli.run(['run', '--db', cli.db, '--brokers', kafka, ...times]);
    expect(run.code).toBe(2);
    expect(run.err).toContain('leaseMs (--lease): must be 25000 or more');
  });

  it('is found by a program too, which hears of every other fault as ever', async () => {
    const options = { db: cli.db, brokers: [kafka], leaseMs: 1_000 };
    expect(said(await diagnose(options), 'timing.lease')).toEqual([
      'error: lease 1000 ms, longest send 20000 ms',
    ]);
    const given = { ...options, batchPartitionBytes: 5_000_000 };
    await expect(diagnose(given)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^batchPartitionBytes: must not exceed batchBytes [^;]+$/),
    });
  });

  it('is in order with a quarter more than the longest send', async () => {
    const options = { db: cli.db, brokers: [kafka], leaseMs: 25_000, sendTimeoutMs: 20_000 };
    expect(said(await diagnose(options), 'timing.lease')).toEqual([
      'ok: lease 25000 ms, longest send 20000 ms',
    ]);
  });
});

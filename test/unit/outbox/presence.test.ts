/** Side files of owners, on this system and under the rule of Windows: what is open stays. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseConstructor } from '../../../src/outbox/sqlite/database.ts';
import { fileRemoval, Presence } from '../../../src/outbox/sqlite/presence.ts';

let folder: string;
let path: string;
let opened: Database.Database[];

/** Knows which connections are open. */
class Tracked extends Database {
  constructor(file: string, options?: Database.Options) {
    super(file, options);
    opened.push(this);
  }
}

/** Refuses as Windows does, whatever this system would say. */
function remove(file: string): void {
  if (opened.some((connection) => connection.name === file && connection.open)) {
    throw Object.assign(new Error(`EBUSY: resource busy or locked, unlink '${file}'`), {
      code: 'EBUSY',
    });
  }
  rmSync(file, { force: true });
}

const windows = { ...fileRemoval('win32'), remove };
const systems = [
  ['this system', fileRemoval(process.platform)],
  ['Windows', windows],
] as const;
const sideFile = (owner: string) => `${path}-relay-${owner}`;
const presence = (removal = windows, Constructor: DatabaseConstructor = Tracked) =>
  new Presence(Constructor, path, removal);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-presence-'));
  path = join(folder, 'shop.db');
  opened = [];
});
afterEach(() => {
  for (const connection of opened) connection.close();
  rmSync(folder, { recursive: true, force: true });
});

it('only on Windows is a side file closed before it is removed', () => {
  expect(fileRemoval('win32').whileOpen).toBe(false);
  expect([fileRemoval('linux').whileOpen, fileRemoval('darwin').whileOpen]).toEqual([true, true]);
});

describe.each(systems)('an owner’s side file, on %s', (_, removal) => {
  it('is there while the owner is, and gone with it', async () => {
    const { withdraw } = presence(removal).announce('a');
    expect(presence(removal).isAlive('a')).toBe(true);
    expect(existsSync(sideFile('a'))).toBe(true);
    await withdraw();
    await withdraw();
    expect(presence(removal).isAlive('a')).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that a dead owner left is removed by whoever looks, and by the next relay', async () => {
    for (const owner of ['a', 'b']) new Tracked(sideFile(owner)).exec('BEGIN EXCLUSIVE').close();
    expect(presence(removal).isAlive('a')).toBe(false);
    expect(readdirSync(folder)).toEqual(['shop.db-relay-b']);
    const { withdraw } = presence(removal).announce('c');
    expect(existsSync(sideFile('b'))).toBe(false);
    await withdraw();
    expect(presence(removal).isAnybodyAlive()).toBe(false);
  });

  it('that another process has locked is left alone', () => {
    const other = new Tracked(sideFile('a')).exec('BEGIN EXCLUSIVE');
    expect(presence(removal).isAlive('a')).toBe(true);
    expect(presence(removal).isAnybodyAlive()).toBe(true);
    other.close();
    expect(presence(removal).isAlive('a')).toBe(false);
  });
});

describe('on Windows a side file that somebody else has open', () => {
  it('is left by its owner, who is gone all the same, and removed when it is closed', async () => {
    const { withdraw } = presence().announce('a');
    const prober = new Tracked(sideFile('a'));
    await withdraw();
    expect(existsSync(sideFile('a'))).toBe(true);
    expect(presence().isAlive('a')).toBe(false);
    prober.close();
    expect(presence().isAlive('a')).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('stays the file of an owner that was just starting', () => {
    const starting = new Tracked(sideFile('a'));
    expect(presence().isAlive('a')).toBe(false);
    starting.exec('BEGIN EXCLUSIVE');
    expect(existsSync(sideFile('a'))).toBe(true);
    expect(presence().isAlive('a')).toBe(true);
  });

  it('counts as its owner’s while it cannot be looked at', () => {
    new Tracked(sideFile('a')).close();
    class Refused extends Tracked {
      override exec(): this {
        throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_LOCK' });
      }
    }
    expect(presence(windows, Refused).isAlive('a')).toBe(true);
    const elsewhere = presence(fileRemoval('linux'), Refused);
    expect(() => elsewhere.isAlive('a')).toThrow(expect.objectContaining({ code: 'OUTBOX_IO' }));
  });
});

it.each(['EACCES', 'EPERM', 'EROFS'])(
  'who may not remove a dead owner’s side file (%s) sees that it is dead',
  (code) => {
    new Tracked(sideFile('a')).exec('BEGIN EXCLUSIVE').close();
    const refuse = () => {
      throw Object.assign(new Error(code), { code });
    };
    const reader = presence({ whileOpen: true, remove: refuse });
    expect(reader.isAlive('a')).toBe(false);
    expect(reader.isAnybodyAlive()).toBe(false);
  },
);

describe('a side file that another relay’s clean-up removes before it is locked', () => {
  /** Loses the file once, in the moment before it would be locked. */
  class Robbed extends Tracked {
    static left = 1;
    override exec(sql: string): this {
      if (Robbed.left > 0 && sql.startsWith('BEGIN')) {
        Robbed.left -= 1;
        rmSync(this.name, { force: true });
        throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_FSTAT' });
      }
      return super.exec(sql);
    }
  }
  const here = fileRemoval('linux');

  it('is made once more by an owner that starts', async () => {
    Robbed.left = 1;
    const { withdraw } = presence(here, Robbed).announce('a');
    expect(existsSync(sideFile('a'))).toBe(true);
    await withdraw();
  });

  it('is an error when it goes on', () => {
    Robbed.left = 100;
    expect(() => presence(here, Robbed).announce('a')).toThrow(/locking .*disk I\/O error/);
  });

  it('belongs to nobody for who looks at it', () => {
    new Tracked(sideFile('a')).exec('BEGIN EXCLUSIVE').close();
    Robbed.left = 1;
    expect(presence(here, Robbed).isAlive('a')).toBe(false);
  });
});

/**
 * Files on a network share, by whatever name they are opened. A kernel that lets a test mount one
 * is rare, so what statfs(2) and mountinfo say about one folder is replaced; the files are real.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { diagnose, openOutbox, openStatus } from 'outbox-relay';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nowhere, said } from '../../support/doctor.ts';

const mounted = vi.hoisted(() => ({ at: '', magic: 0, type: '' }));

vi.mock('node:fs', async (load) => {
  const real = await load<typeof import('node:fs')>();
  const statfsSync = (path: string, options: { bigint?: boolean } = {}) => {
    const facts = real.statfsSync(path, options as { bigint: false });
    const inside = `${real.realpathSync(path)}/`.startsWith(`${mounted.at}/`);
    if (mounted.at === '' || !inside) return facts;
    return { ...facts, type: options.bigint ? BigInt(mounted.magic) : mounted.magic };
  };
  const read = (path: unknown, encoding: BufferEncoding) => {
    const text = real.readFileSync(path as string, encoding);
    if (path !== '/proc/self/mountinfo') return text;
    return `${text}99 1 0:99 / ${mounted.at} rw - ${mounted.type} there rw\n`;
  };
  return { ...real, statfsSync, readFileSync: read };
});

const refused = expect.objectContaining({
  code: 'FILE_ON_NETWORK',
  hint: expect.stringMatching(/./),
});

let folder: string;
let share: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-network-'));
  share = join(folder, 'share');
  mkdirSync(share);
});
afterEach(() => {
  mounted.at = '';
  rmSync(folder, { recursive: true, force: true });
});

function mount(magic: number, type: string): void {
  Object.assign(mounted, { at: share, magic, type });
}

describe.each([
  ['NFS', 0x6969, 'nfs4'],
  ['FUSE', 0x65735546, 'fuse.sshfs'],
])('a share over %s', (_, magic, type) => {
  it('takes no new outbox, and no file is left there', () => {
    mount(magic, type);
    expect(() => openOutbox({ path: join(share, 'shop.db') })).toThrow(refused);
    expect(readdirSync(share)).toEqual([]);
  });

  it('is seen through a link to a file, to a folder, and to nothing yet', () => {
    const there = join(share, 'shop.db');
    new Database(there).exec('CREATE TABLE orders (id)').close();
    const before = readFileSync(there);
    mount(magic, type);
    symlinkSync(there, join(folder, 'file.db'));
    symlinkSync(share, join(folder, 'folder'));
    symlinkSync(join(share, 'new.db'), join(folder, 'new.db'));
    expect(() => openOutbox({ path: join(folder, 'file.db') })).toThrow(refused);
    expect(() => openStatus(join(folder, 'file.db'))).toThrow(refused);
    expect(() => openOutbox({ path: join(folder, 'folder', 'shop.db') })).toThrow(refused);
    expect(() => openOutbox({ path: join(folder, 'new.db') })).toThrow(refused);
    expect(readFileSync(there).equals(before)).toBe(true);
    expect(existsSync(`${there}-wal`)).toBe(false);
  });

  it('is found by the doctor, which leaves the file alone', async () => {
    const db = join(share, 'shop.db');
    await openOutbox({ path: db }).close();
    mount(magic, type);
    symlinkSync(db, join(folder, 'shop.db'));
    for (const path of [db, join(folder, 'shop.db')]) {
      const diagnosis = await diagnose({ db: path, brokers: [await nowhere()] });
      const name = type.startsWith('fuse') ? type : 'NFS';
      expect(said(diagnosis, 'file.system')).toEqual([`error: a network file system (${name})`]);
      expect(said(diagnosis, 'file.open')).toEqual([]);
    }
  });

  it('is refused to the application’s handle too', () => {
    const db = new Database(join(share, 'shop.db'));
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    mount(magic, type);
    expect(() => openOutbox({ db })).toThrow(refused);
    expect(db.prepare('SELECT name FROM sqlite_master').all()).toEqual([]);
    db.close();
  });
});

it('a disk beside the share is as good as any', async () => {
  mount(0x6969, 'nfs4');
  await openOutbox({ path: join(folder, 'shop.db') }).close();
});

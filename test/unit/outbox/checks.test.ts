import { describe, expect, it } from 'vitest';
import {
  mountTypeOf,
  networkFileSystem,
  refuseOldSqlite,
} from '../../../src/outbox/sqlite/checks.ts';
import { loadedCopies } from '../../../src/outbox/sqlite/database.ts';

const ext4 = 0xef53;
const tmpfs = 0x01021994;
const overlay = 0x794c7630;
const fuse = 0x65735546;

describe('networkFileSystem', () => {
  it.each([
    [0x6969, 'NFS'],
    [0x517b, 'SMB'],
    [0xff534d42, 'CIFS'],
    [0xff534d42 | 0, 'CIFS'], // as a signed number
    [0xfe534d42, 'SMB2'],
    [0x01021997, '9P'],
  ])('knows %i as %s', (magic, name) => {
    expect(networkFileSystem(magic, null)).toBe(name);
  });

  it.each([ext4, tmpfs, overlay])('takes %i for local', (magic) => {
    expect(networkFileSystem(magic, null)).toBeNull();
  });

  it('tells FUSE file systems apart by their type', () => {
    expect(networkFileSystem(fuse, 'fuse.sshfs')).toBe('fuse.sshfs');
    expect(networkFileSystem(fuse, 'fuse.s3fs')).toBe('fuse.s3fs');
    expect(networkFileSystem(fuse, 'fuseblk')).toBeNull();
    expect(networkFileSystem(fuse, null)).toBeNull();
  });
});

describe('mountTypeOf', () => {
  const mountinfo = [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '30 22 0:26 / /srv rw shared:2 - fuse.sshfs me@there rw',
    '31 22 0:27 / /srv/my\\040data rw - ext4 /dev/sdb1 rw',
    '',
  ].join('\n');

  it.each([
    ['/shop.db', 'ext4'],
    ['/srv/shop.db', 'fuse.sshfs'],
    ['/srv/my data/shop.db', 'ext4'],
    ['/srvice/shop.db', 'ext4'],
  ])('finds the mount of %s', (path, type) => {
    expect(mountTypeOf(path, mountinfo)).toBe(type);
  });
});

describe('refuseOldSqlite', () => {
  it.each(['3.51.3', '3.52.0', '4.0.0'])('accepts %s', (version) => {
    expect(() => refuseOldSqlite(version)).not.toThrow();
  });

  it.each(['3.51.2', '3.51', '3.7.17', '2.99.99'])('refuses %s', (version) => {
    const refusal = expect.objectContaining({ code: 'SQLITE_TOO_OLD' });
    expect(() => refuseOldSqlite(version)).toThrow(refusal);
  });
});

describe('loadedCopies', () => {
  const line = (file: string) => `7f00-7f10 r-xp 0000f000 fe:00 5359305      ${file}`;

  it('counts files, wherever the native part is, and not their segments', () => {
    const one = '/app/node_modules/better-sqlite3/prebuilds/linux-x64.node';
    const two = '/app/old copy/node_modules/better-sqlite3/build/Release/better_sqlite3.node';
    const maps = [one, one, two, '/usr/lib/libc.so.6', `${two} (deleted)`].map(line).join('\n');
    expect(loadedCopies(`${maps}\n7f00-7f10 rw-p 0 00:00 0`)).toEqual([one, two]);
  });

  it('leaves other packages alone, below whatever folder', () => {
    const other = '/home/me/better-sqlite3-demo/node_modules/msgpackr-extract/build/x.node';
    const inside = '/src/better-sqlite3/node_modules/msgpackr-extract/prebuilds/glibc.node';
    expect(loadedCopies([other, inside].map(line).join('\n'))).toEqual([]);
  });
});

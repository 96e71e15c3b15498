/** Copies of a file's bytes, and making what was written survive a power cut. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { FileUnusableError, OutboxFullError, OutboxIoError } from '../../core/errors.ts';

const chunkBytes = 1_024 ** 2;
/** What a disk gives or refuses as one. */
const sectorBytes = 512;

/**
 * Copies what can be read; what the disk refuses to give is zeros. Nobody in this process may have
 * the file open: closing a descriptor drops SQLite's locks.
 */
export function copyReadable(from: string, to: string, mode: number): void {
  const source = openSync(from, 'r');
  try {
    const target = openSync(to, 'wx', mode);
    try {
      const { size } = statSync(from);
      for (let at = 0; at < size; at += chunkBytes) {
        copyStretch({ source, target }, at, Math.min(chunkBytes, size - at));
      }
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

interface Ends {
  readonly source: number;
  readonly target: number;
}

/** Sectors that cannot be read are copied as zeros. */
function copyStretch(ends: Ends, at: number, bytes: number): void {
  const buffer = Buffer.alloc(bytes);
  let done = 0;
  while (done < bytes) {
    try {
      // Linux reads up to a bad sector and says so only when it is asked for that one.
      const read = readSync(ends.source, buffer, done, bytes - done, at + done);
      if (read === 0) break; // it has become shorter
      done += read;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
      done = Math.min(bytes, (Math.floor(done / sectorBytes) + 1) * sectorBytes);
    }
  }
  writeWhole(ends.target, buffer, at);
}

/** A write may take less than it was given, and says so by its result alone. */
export function writeWhole(file: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
  }
}

/** Fills the buffer from a file that is known to have so much. @throws OUTBOX_IO */
export function readWhole(file: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(file, bytes, done, bytes.length - done, at + done);
    if (read === 0) throw new OutboxIoError('a copy that was just made has become shorter');
    done += read;
  }
}

/**
 * A second name for the same bytes. Never overwrites.
 * @throws FILE_UNUSABLE where there are no hard links
 */
export function addName(file: string, name: string): void {
  try {
    linkSync(file, name);
  } catch (cause) {
    throw new FileUnusableError(`${file} cannot get a second name, which a repair needs`, {
      cause,
    });
  }
}

export function sync(file: string): void {
  const descriptor = openSync(file, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Names are durable when their folder is. Windows has no such thing. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Nothing that was set aside is ever overwritten: a name that is free, with its side files'. */
export function freeName(name: string): string {
  for (let count = 1; ; count += 1) {
    const one = count === 1 ? name : `${name}-${count}`;
    if (!['', '-wal', '-shm'].some((suffix) => existsSync(one + suffix))) return one;
  }
}

/** Another one after any write to the file, and for any other file. */
export function stampOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? 'none' : `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
}

export function bytesOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.size ?? null;
}

/** @throws OUTBOX_FULL where the disk of a file has less room */
export function refuseFullDisk(file: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(file));
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new OutboxFullError(`a repair needs ${bytes} bytes, ${free} are free`);
}

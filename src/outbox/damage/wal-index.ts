/**
 * The index of the log (`-shm`), as a kill left it: it knows what was committed, and how much of it
 * is in the file already. After a power cut it may be older than both, so it is never believed to
 * know of all commits. Format: https://www.sqlite.org/walformat.html#the_wal_index_file_format
 */
import { addTo } from './wal-sum.ts';

export interface WalIndex {
  /** Pages of the log up to its last commit. */
  readonly committed: number;
  /** Pages of the log whose content is in the file, synced. */
  readonly copied: number;
  /** Pages of the database at the last commit. */
  readonly databasePages: number;
  readonly pageBytes: number;
  /** Byte order of the log's checksums. */
  readonly big: boolean;
  /** Whether a commit was made by it; otherwise it was put together by reading the log. */
  readonly hasCommit: boolean;
}

const headerBytes = 48;

/** `null`: there is none, it is of another log, or its two headers do not agree. */
export function indexOf(shm: Buffer | null, salts: Buffer): WalIndex | null {
  if (shm === null || shm.length < 100 || !shm.subarray(32, 40).equals(salts)) return null;
  const header = shm.subarray(0, headerBytes);
  if (!header.equals(shm.subarray(headerBytes, 2 * headerBytes)) || header[12] !== 1) return null;
  // Of this machine: little-endian on all that Node.js supports well.
  const [a, b] = addTo([0, 0], header.subarray(0, 40), false);
  if (header.readUInt32LE(40) !== a || header.readUInt32LE(44) !== b) return null;
  const committed = header.readUInt32LE(16);
  const copied = shm.readUInt32LE(96);
  if (copied > committed) return null;
  const databasePages = header.readUInt32LE(20);
  const raw = header.readUInt16LE(14);
  const pageBytes = raw === 1 ? 65_536 : raw;
  const made = { hasCommit: header.readUInt32LE(8) > 0, pageBytes, big: header[13] === 1 };
  return { committed, copied, databasePages, ...made };
}

/** Pages that were committed and are in the log alone, whatever became of it. */
export function pagesOnlyInLog(shm: Buffer): number {
  const index = indexOf(shm, saltsIn(shm));
  return index === null ? 0 : index.committed - index.copied;
}

/** Of which log it is: those bytes stand in each of its pages. */
export const saltsIn = (shm: Buffer | null): Buffer => (shm ?? Buffer.alloc(0)).subarray(32, 40);

/**
 * Room for the relay and for operators on a full disk. Opening, DELETE and a checkpoint need space
 * too, so a file beside the outbox keeps some: it is deleted when the disk is full, and made again
 * when there is room.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

const reserveBytes = 16 * 1_024 ** 2;
/** Free space from which it is made: it must not be what fills the disk. */
const roomFactor = 4;
const chunk = Buffer.alloc(1_024 ** 2);

export class Reserve {
  readonly #path: string;

  /** @param outboxPath by any name of it: SQLite's own is without links */
  constructor(outboxPath: string) {
    this.#path = `${real(outboxPath)}-reserve`;
  }

  /**
   * Makes it when it is not there and there is plenty of room. Returns whether it is there: without
   * it, e.g. in a folder that does not allow it, a relay goes on as long as there is room.
   */
  ensure(): boolean {
    try {
      if (statSync(this.#path, { throwIfNoEntry: false })?.size === reserveBytes) return true;
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      if (bavail * bsize < reserveBytes * roomFactor) return false;
      this.#write();
      return true;
    } catch {
      this.release(); // half of one is of no use; it is tried again
      return false;
    }
  }

  /** Real blocks, not a hole. */
  #write(): void {
    const file = openSync(this.#path, 'w', 0o600);
    try {
      for (let written = 0; written < reserveBytes; written += chunk.length) writeSync(file, chunk);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** Gives the space back. Returns whether there was any: that the disk is full is the news. */
  release(): boolean {
    try {
      if (statSync(this.#path, { throwIfNoEntry: false }) === undefined) return false;
      rmSync(this.#path, { force: true });
      return true;
    } catch {
      return false;
    }
  }
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // there is no such file yet, and no reserve beside it
  }
}

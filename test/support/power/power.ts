/**
 * A machine of which the power can be cut: processes that share one folder, under shim.c.
 *
 * A cut is a SIGKILL of all of them, and then the folder as a disk may have it: what no sync has
 * confirmed is kept, dropped or torn, by a seed. The folder is written anew, so that what starts
 * next finds only that. A cut that found nothing unconfirmed of the outbox tests nothing, and is
 * not counted.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Child } from '../child.ts';
import type { Random } from '../random.ts';
import { Disk } from './disk.ts';
import type { CutCounts } from './disk-file.ts';
import { failedSyncs, readLog } from './log.ts';
import { compileShim } from './shim.ts';

/** What the next change of a process meets; see shim.c. */
export interface Order {
  /** `cut`: SIGKILL before the change is made; `cutSync`: before a sync; the others fail. */
  readonly what: 'cut' | 'cutSync' | 'sync' | 'write';
  /** End of the file's name. Default: any file of the folder. */
  readonly suffix?: string;
  /** Changes that pass before. Default: 0. */
  readonly skip?: number;
  /** How many fail. Default: 1. */
  readonly times?: number;
  readonly errno?: number;
}

/** A process of the machine. */
export interface Machine {
  readonly child: Child;
  /** Gives it an order that its next changes look for. */
  order(order: Order): void;
  /** Whether it has read the last one. */
  orderTaken(): boolean;
}

/** What a look at a copy of the file found. */
export interface FileFacts {
  /** `PRAGMA integrity_check`, or why the file cannot be read; `ok` when all is well. */
  readonly integrity: string;
  /** The highest seq that was ever given, as the file says; -1 when it cannot be read. */
  readonly lastSeq: number;
  /** By lane, the seq up to which everything is settled. */
  readonly cursors: readonly number[];
  /** Of the events that it holds. */
  readonly seqs: ReadonlySet<number>;
}

/** Linux's numbers, which the shim sets. */
export const errnos = { EIO: 5, ENOSPC: 28 } as const;

export class Power {
  readonly #place = realpathSync(mkdtempSync(join(tmpdir(), 'outbox-power-')));
  readonly folder = join(this.#place, 'folder');
  readonly db = join(this.folder, 'outbox.db');
  readonly #log = join(this.#place, 'log');
  readonly #library = compileShim(this.#place);
  #durable: ReadonlyMap<string, Buffer> = new Map();
  #machines: Child[] = [];
  #count = 0;

  constructor() {
    mkdirSync(this.folder);
  }

  /** Starts a TypeScript file of this repository on this machine. */
  start(file: string, options: unknown): Machine {
    this.#count += 1;
    const orders = join(this.#place, `orders-${this.#count}`);
    const env = {
      LD_PRELOAD: this.#library,
      OUTBOX_POWER_FOLDER: this.folder,
      OUTBOX_POWER_LOG: this.#log,
      OUTBOX_POWER_SWITCH: orders,
    };
    const child = Child.node(file, [JSON.stringify(options)], { env, stdin: 'pipe' });
    this.#machines.push(child);
    const order = ({ what, suffix = '*', skip = 0, times = 1, errno = 0 }: Order) => {
      writeFileSync(`${orders}.new`, `${what} ${suffix} ${skip} ${times} ${errno}\n`);
      renameSync(`${orders}.new`, orders); // never seen half written
    };
    return { child, order, orderTaken: () => !existsSync(orders) };
  }

  /** Since the last cut, as the shim has written them down. */
  failedSyncs(): ReturnType<typeof failedSyncs> {
    return failedSyncs(readLog(readFileSync(this.#log)));
  }

  /**
   * Kills everything and puts the folder into the state that a disk may have then.
   * @throws when the shim has missed a change
   */
  async cut(random: Random): Promise<CutCounts> {
    await this.killAll();
    const disk = new Disk(this.#durable);
    for (const record of readLog(readFileSync(this.#log))) disk.take(record);
    const real = readFolder(this.folder);
    const unseen = disk.compare(real);
    if (unseen.length > 0) {
      const list = unseen.map(({ name, what }) => `${name} ${what}`).join(', ');
      throw new Error(`the shim has missed a change: ${list}`);
    }
    const sectorBytes = random.oneOf([512, 4_096]);
    const keeps = random.oneOf([0, 0.5, 0.9]);
    const { files, counts } = disk.cut({ random, sectorBytes, keeps, counts: isOutbox });
    this.#rebuild(files, random);
    return counts;
  }

  async killAll(): Promise<void> {
    for (const child of this.#machines) child.signal('SIGKILL');
    await Promise.all(this.#machines.map(({ ended }) => ended));
    this.#machines = [];
  }

  /** Shared memory is never synced: any of it may be there, and none of it may matter. */
  #rebuild(files: ReadonlyMap<string, Buffer>, random: Random): void {
    for (const name of readdirSync(this.folder)) {
      if (isSharedMemory(name) && random.chance(0.5)) continue;
      rmSync(join(this.folder, name));
    }
    for (const [name, bytes] of files) writeFileSync(join(this.folder, name), bytes);
    rmSync(this.#log, { force: true });
    this.#durable = files;
  }

  /** Looks at a copy: opening the file recovers it, which is for the next process to do. */
  look(): FileFacts {
    const copy = join(this.#place, 'copy');
    mkdirSync(copy);
    try {
      for (const name of readdirSync(this.folder)) {
        if (isOutbox(name)) copyFileSync(join(this.folder, name), join(copy, name));
      }
      return readFacts(join(copy, 'outbox.db'));
    } finally {
      rmSync(copy, { recursive: true });
    }
  }

  async close(): Promise<void> {
    await this.killAll();
    rmSync(this.#place, { recursive: true, force: true });
  }
}

function readFacts(path: string): FileFacts {
  let db: Database.Database | null = null;
  try {
    db = new Database(path, { fileMustExist: true });
    const integrity = String(db.pragma('integrity_check(1)', { simple: true }));
    const sequences = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'outbox_events'");
    const lastSeq = (sequences.pluck().get() as number | undefined) ?? 0;
    const column = (sql: string) => db?.prepare(sql).pluck().all() as number[];
    const cursors = column('SELECT cursor FROM outbox_lanes ORDER BY lane');
    const seqs = new Set(column('SELECT seq FROM outbox_events'));
    return { integrity, lastSeq, cursors, seqs };
  } catch (error) {
    return { integrity: String(error), lastSeq: -1, cursors: [], seqs: new Set() };
  } finally {
    db?.close();
  }
}

/** Not what lies beside it: the file by which a relay is known to live is never synced. */
const isOutbox = (name: string) => /^outbox\.db(-wal|-journal)?$/.test(name);
const isSharedMemory = (name: string) => name.endsWith('-shm');

function readFolder(folder: string): Map<string, Buffer> {
  const names = readdirSync(folder).filter((name) => !isSharedMemory(name));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

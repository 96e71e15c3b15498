/**
 * Repairs a damaged file: what can be read goes into a new one, the old one is set aside.
 *
 * Nothing is ever written to the old file. All work is done on copies beside it, which the next
 * repair removes when this one was killed; then the new file takes the name ({@link replace}). A
 * dry run removes its own copies alone.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import {
  FileInUseError,
  FileNotFoundError,
  FileUnusableError,
  invariant,
  OutboxFullError,
} from '../../core/errors.ts';
import type { Fault, Progress, RepairFacts } from '../integrity.ts';
import { checkVersion, refuseNetworkFile } from '../sqlite/checks.ts';
import { type DatabaseConstructor, loadDatabaseConstructor } from '../sqlite/database.ts';
import { toOutboxError } from '../sqlite/failures.ts';
import { mayBeOpenHere } from '../sqlite/look.ts';
import { Presence } from '../sqlite/presence.ts';
import { type Hold, holdAlone, holdRepair } from './alone.ts';
import { bytesOf, freeName, refuseFullDisk, stampOf } from './copies.ts';
import { findFaults, findOwnFaults } from './faults.ts';
import { finish, makeFresh } from './fresh-file.ts';
import { ReadableCopy } from './readable-copy.ts';
import { putInPlace, type RepairStep, replace } from './replacement.ts';
import {
  findUnfinished,
  recordSuffix,
  scratchPrefix,
  setOutdatedAside,
  type Unfinished,
} from './unfinished.ts';

export type { RepairStep } from './replacement.ts';

export interface RepairOptions {
  readonly clock: Clock;
  readonly actor: string;
  readonly reason: string | null;
  /** Also when nothing is wrong. */
  readonly force: boolean;
  /** Says what a repair would come to, and changes nothing. */
  readonly dryRun: boolean;
  readonly needsRepair: (faults: readonly Fault[]) => boolean;
  readonly onProgress: Progress;
  readonly onStep: (step: RepairStep) => void;
  /** How long who waits to open the file may take to give up, in ms. */
  readonly openersMs: number;
}

export interface Repaired {
  readonly path: string;
  /** `null`: nothing is wrong with the file, and it was not changed. */
  readonly facts: RepairFacts | null;
  /** Where the damaged file is now, or would be. */
  readonly damagedPath: string | null;
}

/**
 * @throws FILE_NOT_FOUND, FILE_UNUSABLE for what never was an outbox, FILE_ON_NETWORK, FILE_IN_USE,
 *   SCHEMA_NEWER, SQLITE_TOO_OLD, SQLITE_SECOND_COPY, OUTBOX_FULL, OUTBOX_IO
 */
export function repairOutbox(given: string, options: RepairOptions): Repaired {
  const path = existsSync(given) ? realpathSync(given) : given;
  const logBytes = bytesOf(`${path}-wal`) ?? 0;
  if (!existsSync(path) && logBytes === 0 && !isUnfinished(path)) {
    throw new FileNotFoundError(`${path} does not exist`);
  }
  if (existsSync(path) && !statSync(path).isFile()) {
    throw new FileUnusableError(`${path} is no regular file`);
  }
  refuseNetworkFile(path);
  if ((bytesOf(`${path}-journal`) ?? 0) > 0) {
    throw new FileUnusableError(`${path} has a rollback journal: open it with SQLite once`);
  }
  const Constructor = loadDatabaseConstructor();
  const memory = new Constructor(':memory:');
  checkVersion(memory);
  memory.close();
  try {
    const lock = holdRepair(Constructor, `${path}-repair`);
    try {
      return new Repair(Constructor, path, options).run();
    } finally {
      lock.release();
    }
  } catch (error) {
    const message = `repairing ${path}: ${(error as Error).message}`;
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new OutboxFullError(message, { cause: error });
    }
    throw toOutboxError(error, `repairing ${path}`);
  }
}

const isUnfinished = (path: string) => existsSync(dirname(path)) && findUnfinished(path) !== null;

const copiesMax = 3;

class Repair {
  readonly #Constructor: DatabaseConstructor;
  readonly #path: string;
  readonly #options: RepairOptions;
  readonly #scratch: string;
  readonly #damaged: string;

  constructor(Constructor: DatabaseConstructor, path: string, options: RepairOptions) {
    this.#Constructor = Constructor;
    this.#path = path;
    this.#options = options;
    const time = new Date(options.clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    // A dry run leaves those of a killed repair, which may have begun in the same second.
    this.#scratch = `${path}.repairing-${time}-${randomUUID().slice(0, 8)}`;
    this.#damaged = freeName(`${path}.damaged-${time}`);
  }

  run(): Repaired {
    if (this.#options.dryRun) return this.#dryRun(findUnfinished(this.#path));
    // First of all: what a killed repair has left may be all there is of what it has found.
    this.#refuseInUse();
    const unfinished = findUnfinished(this.#path);
    setOutdatedAside(this.#path);
    this.#removeScratch(unfinished);
    if (unfinished !== null) this.#finish(unfinished);
    try {
      return unfinished === null ? this.#work() : this.#outcomeOf(unfinished);
    } finally {
      this.#removeScratch();
    }
  }

  #dryRun(unfinished: Unfinished | null): Repaired {
    if (unfinished !== null) return this.#outcomeOf(unfinished);
    this.#refuseInUse();
    try {
      return this.#work();
    } finally {
      this.#removeOwnScratch();
    }
  }

  #outcomeOf({ facts, damaged }: Unfinished): Repaired {
    return { path: this.#path, facts, damagedPath: damaged };
  }

  #finish(unfinished: Unfinished): void {
    const { onStep, openersMs } = this.#options;
    const hold = this.#hold();
    try {
      // A log that is new since would go with the old one's name.
      const isStill = findUnfinished(this.#path)?.fresh === unfinished.fresh;
      if (!isStill) throw this.#inUse('was changed meanwhile');
      putInPlace({ ...unfinished, path: this.#path, onStep, openersMs }, []);
    } finally {
      hold.release();
    }
  }

  #work(): Repaired {
    this.#refuseFullDisk();
    const before = this.#fingerprint();
    const copy = ReadableCopy.make(this.#Constructor, { from: this.#path, scratch: this.#scratch });
    // From here on nobody can open the file; and nobody has changed it while it was copied.
    const hold = this.#hold();
    try {
      if (this.#fingerprint() !== before) throw this.#inUse('was changed meanwhile');
      this.#options.onStep('copied');
      if (!copy.hasOutbox(this.#Constructor)) {
        throw new FileUnusableError(`nothing in ${this.#path} is of an outbox`);
      }
      if (!this.#options.force && !this.#isDamaged(copy)) {
        return { path: this.#path, facts: null, damagedPath: null };
      }
      const facts = this.#makeFresh(copy);
      if (!this.#options.dryRun) this.#replace(copy, facts, hold);
      return { path: this.#path, facts, damagedPath: this.#damaged };
    } finally {
      hold.release();
    }
  }

  #refuseInUse(): void {
    if (new Presence(this.#Constructor, this.#path).isAnybodyAlive()) {
      throw this.#inUse('is drained by a relay');
    }
    if (mayBeOpenHere(this.#path) && process.platform === 'linux') {
      throw this.#inUse('is open in this process');
    }
    this.#hold().release();
  }

  /** Two copies and the new file; a disk that is full in between would end it late. */
  #refuseFullDisk(): void {
    const bytes = (bytesOf(this.#path) ?? 0) + (bytesOf(`${this.#path}-wal`) ?? 0);
    refuseFullDisk(this.#path, bytes * copiesMax);
  }

  #inUse(what: string) {
    return new FileInUseError(`${this.#path} ${what}`);
  }

  #hold(): Hold {
    return holdAlone(this.#Constructor, this.#path, `${this.#scratch}-lock`);
  }

  #fingerprint(): string {
    return ['', '-wal'].map((suffix) => stampOf(this.#path + suffix)).join(', ');
  }

  #isDamaged(copy: ReadableCopy): boolean {
    // What SQLite does not show any more is in commits behind a damaged page of the log; and where
    // the file has them already, SQLite takes what stands before it for newer.
    const { behind, isShort, copied } = copy.log;
    if (copy.readable !== copy.whole || behind.size > 0 || isShort || copied > 0) return true;
    return this.#options.needsRepair(this.#faultsOf(copy.whole));
  }

  #faultsOf(file: string, find = findFaults): Fault[] {
    const db = new this.#Constructor(file);
    try {
      db.pragma('query_only = ON');
      return find(db, this.#Constructor, this.#options.onProgress);
    } finally {
      db.close();
    }
  }

  #makeFresh(copy: ReadableCopy): RepairFacts {
    const { clock, actor, reason, onProgress, onStep, needsRepair } = this.#options;
    const path = `${this.#scratch}-new`;
    const damagedName = basename(this.#damaged);
    const facts = makeFresh({
      Constructor: this.#Constructor,
      ...{ copy, path, clock, actor, reason, damagedName, onProgress },
    });
    onStep('salvaged');
    // The application's own tables may need what only the application has.
    const left = this.#faultsOf(path, findOwnFaults);
    invariant(!needsRepair(left), 'a repaired file is in order', { faults: left });
    // The log alone may be what is left.
    finish(path, existsSync(this.#path) ? this.#path : `${this.#path}-wal`);
    onStep('durable');
    return facts;
  }

  #replace(copy: ReadableCopy, facts: RepairFacts, hold: Hold): void {
    const { onStep, openersMs } = this.#options;
    replace({
      Constructor: this.#Constructor,
      path: this.#path,
      fresh: `${this.#scratch}-new`,
      whole: copy.log.used > 0 ? copy.whole : null,
      record: `${this.#scratch}${recordSuffix}`,
      ...{ damaged: this.#damaged, facts, hold, onStep, openersMs },
    });
  }

  /** @param unfinished what of it is needed still, with its record */
  #removeScratch(unfinished: Unfinished | null = null): void {
    const isNeeded = (file: string) =>
      unfinished !== null && (file === unfinished.fresh || file.endsWith(recordSuffix));
    this.#remove(scratchPrefix(this.#path), isNeeded);
  }

  #removeOwnScratch(): void {
    this.#remove(basename(this.#scratch));
  }

  #remove(prefix: string, isNeeded: (file: string) => boolean = () => false): void {
    for (const name of readdirSync(dirname(this.#path))) {
      const file = join(dirname(this.#path), name);
      if (name.startsWith(prefix) && !isNeeded(file)) rmSync(file, { force: true });
    }
  }
}

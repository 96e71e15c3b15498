/**
 * A folder as a disk holds it, from a log of shim.c: what is surely there, and what may be.
 *
 * The model, unkinder than most disks and file systems:
 *   - What a sync of the file confirmed is there, if it was written before the sync began.
 *   - Of everything else each sector has any of the states that it went through, or a part of the
 *     next one; bytes beside a write never change, as SQLite assumes of every disk
 *     (SQLITE_POWERSAFE_OVERWRITE).
 *   - Lengths, and names in the folder, survive in their order up to some moment. A name is certain
 *     only when the folder was synced; a sync of the file does not do.
 *   - A sync that fails confirms nothing, and the next one does not try those writes again.
 */
import { type Change, type Cut, type CutCounts, DiskFile, noCounts } from './disk-file.ts';
import type { LogRecord } from './log.ts';

/** Names that appear, change their file or, with `null`, go. */
interface Renaming {
  readonly names: readonly (readonly [string, DiskFile | null])[];
  done: boolean;
}

type Sync = { readonly file: DiskFile; readonly changes: readonly Change[] } | readonly Renaming[];

/** A file that is not as the log says: something has passed the shim. */
export interface Unseen {
  readonly name: string;
  readonly what: string;
}

export class Disk {
  readonly #durable: Map<string, DiskFile>;
  #renamings: Renaming[] = [];
  readonly #byInode = new Map<number, DiskFile>();
  readonly #begun = new Map<string, { file: DiskFile; change: Change } | Renaming>();
  readonly #syncs = new Map<string, Sync>();
  #folderInode: number | null = null;

  /** @param files the folder as it was, surely, when the log began */
  constructor(files: ReadonlyMap<string, Buffer>) {
    const known = [...files].map(([name, bytes]) => [name, new DiskFile(null, bytes)] as const);
    this.#durable = new Map(known);
  }

  /** @throws on a record that cannot follow those before it */
  take(record: LogRecord): void {
    const { kind, change, inode, error, data } = record;
    const name = data.toString();
    if (kind === 'opened') this.#open(name, record);
    else if (kind === 'done') this.#end(change, error);
    else if (kind === 'sync') this.#sync(change, inode);
    else if (kind === 'synced') this.#synced(change, error);
    else if (kind === 'unlink') this.#unlink(change, { name, inode });
    else if (kind === 'rename' || kind === 'link') this.#renameOrLink(name, record);
    else this.#write(record);
  }

  #write({ kind, change, inode, offset, data }: LogRecord): void {
    const file = this.#byInode.get(inode);
    if (file === undefined) throw new Error(`a ${kind} of a file that nobody has opened`);
    const bytes = kind === 'write' ? data : null;
    this.#begun.set(change, { file, change: file.add(offset, bytes) });
  }

  #renameOrLink(names: string, { kind, change, inode }: LogRecord): void {
    const [from = '', to = ''] = names.split('\0');
    const file = this.#file(from, inode);
    const gone = kind === 'rename' ? ([[from, null]] as const) : [];
    this.#rename(change, [...gone, [to, file]]);
  }

  #open(name: string, { inode, offset }: LogRecord): void {
    if (name === '') {
      this.#folderInode = inode;
      return;
    }
    const there = this.#names().get(name);
    const isNew = offset === 1;
    if (there !== undefined && (there.inode === inode || (there.inode === null && !isNew))) {
      there.inode = inode;
      this.#byInode.set(inode, there);
      return;
    }
    const file = new DiskFile(inode);
    this.#byInode.set(inode, file);
    this.#renamings.push({ names: [[name, file]], done: true });
  }

  #end(change: string, error: number): void {
    const begun = this.#begun.get(change);
    if (begun === undefined) throw new Error(`the end of ${change}, which never began`);
    this.#begun.delete(change);
    if ('names' in begun) {
      begun.done = true;
      if (error !== 0) this.#renamings = this.#renamings.filter((other) => other !== begun);
    } else {
      begun.change.done = true;
      if (error !== 0) begun.file.remove(begun.change);
    }
  }

  #sync(change: string, inode: number): void {
    if (inode === this.#folderInode) {
      this.#syncs.set(
        change,
        this.#renamings.filter(({ done }) => done),
      );
      return;
    }
    const file = this.#byInode.get(inode);
    if (file === undefined) throw new Error('a sync of a file that nobody has opened');
    this.#syncs.set(change, { file, changes: file.promised() });
  }

  #synced(change: string, error: number): void {
    const sync = this.#syncs.get(change);
    if (sync === undefined) throw new Error(`the end of ${change}, which never began`);
    this.#syncs.delete(change);
    if ('file' in sync) {
      if (error === 0) sync.file.keep(sync.changes);
      else sync.file.forsake(sync.changes);
    } else if (error === 0) {
      for (const { names } of sync) apply(this.#durable, names);
      this.#renamings = this.#renamings.filter((other) => !sync.includes(other));
    }
  }

  /** Another file may have got the name since this one was looked at. */
  #unlink(change: string, { name, inode }: { name: string; inode: number }): void {
    const there = this.#names().get(name);
    const isIt = there !== undefined && (there.inode === null || there.inode === inode);
    this.#rename(change, isIt ? [[name, null]] : []);
  }

  #rename(change: string, names: Renaming['names']): void {
    const renaming = { names, done: false };
    this.#renamings.push(renaming);
    this.#begun.set(change, renaming);
  }

  #file(name: string, inode: number): DiskFile {
    const file = this.#byInode.get(inode) ?? this.#names().get(name);
    if (file === undefined) throw new Error(`${name} is not there`);
    return file;
  }

  /** As a process sees the folder. */
  #names(): Map<string, DiskFile> {
    return this.#after(this.#renamings.length);
  }

  #after(renamings: number): Map<string, DiskFile> {
    const names = new Map(this.#durable);
    for (const one of this.#renamings.slice(0, renamings)) apply(names, one.names);
    return names;
  }

  /** Compares with what is really there; what was about to be changed may be either way. */
  compare(real: ReadonlyMap<string, Buffer>): Unseen[] {
    const names = this.#names();
    const inFlight = new Set(
      this.#renamings.filter(({ done }) => !done).flatMap((one) => one.names.map(([name]) => name)),
    );
    const unseen: Unseen[] = [];
    const note = (name: string, what: string) => unseen.push({ name, what });
    for (const [name, file] of names) {
      const bytes = real.get(name);
      if (bytes === undefined) {
        if (!inFlight.has(name)) note(name, 'is not there');
      } else if (!isSeen(file, bytes)) note(name, 'has other bytes');
    }
    for (const [name, { length }] of real) {
      // It was made, and its maker killed before that was written down.
      if (!names.has(name) && !inFlight.has(name) && length > 0) note(name, 'should not be there');
    }
    return unseen;
  }

  /** What the folder may hold after a power cut now. */
  cut(cut: Cut): { readonly files: Map<string, Buffer>; readonly counts: CutCounts } {
    const counts = { ...noCounts };
    const survivors = cut.random.between(0, this.#renamings.length);
    const files = new Map<string, Buffer>();
    for (const [name, file] of this.#after(survivors)) {
      files.set(name, file.cut(cut, cut.counts(name) ? counts : { ...noCounts }));
    }
    return { files, counts };
  }
}

function apply(names: Map<string, DiskFile>, changes: Renaming['names']): void {
  for (const [name, file] of changes) {
    if (file === null) names.delete(name);
    else names.set(name, file);
  }
}

function isSeen(file: DiskFile, real: Buffer): boolean {
  const said = Buffer.from(file.seen());
  const length = Math.max(said.length, real.length);
  const [left, right] = [Buffer.alloc(length), Buffer.alloc(length)];
  said.copy(left);
  real.copy(right);
  let mayDiffer = said.length === real.length;
  for (const { at, bytes, done } of file.pending) {
    if (done) continue;
    mayDiffer = true;
    const end = bytes === null ? length : at + bytes.length;
    left.fill(0, Math.min(at, length), Math.min(end, length));
    right.fill(0, Math.min(at, length), Math.min(end, length));
  }
  return mayDiffer && left.equals(right);
}

/**
 * A copy of the damaged file that SQLite can read as much of as there is: the log of changes is
 * applied, and a first page that is damaged is made anew on a second copy.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import type { DatabaseConstructor } from '../sqlite/database.ts';
import { isUnreadable } from '../sqlite/failures.ts';
import { bytesOf, copyReadable } from './copies.ts';
import { eventsOn, type RawEvent } from './event-pages.ts';
import { usualHeader } from './first-page.ts';
import { isAbandoned, withEvidence } from './log-evidence.ts';
import { filePages, greatest, type HeaderFacts, headerOf, type PageSource } from './page-file.ts';
import { makeReadable, type Readable } from './schema-mending.ts';
import { applyWal, offsetOf, scanWal, type WalScan } from './wal-file.ts';

export interface CopyNames {
  /** The damaged file. */
  readonly from: string;
  /** Prefix of everything that is made here. */
  readonly scratch: string;
}

interface Parts extends Readable {
  readonly whole: string;
  readonly header: HeaderFacts;
  readonly log: WalScan;
  readonly logCopy: string;
}

export class ReadableCopy {
  /** The old file with its log applied: the same content, in one file. */
  readonly whole: string;
  /** What SQLite is to read; `null`: not even its tables were found. */
  readonly readable: string | null;
  /** Objects, and what else, that its schema has no more. */
  readonly schemaLost: readonly string[];
  readonly header: HeaderFacts;
  readonly log: WalScan;
  readonly #logCopy: string;

  private constructor(parts: Parts) {
    this.whole = parts.whole;
    this.readable = parts.readable;
    this.schemaLost = parts.schemaLost;
    this.header = parts.header;
    this.log = parts.log;
    this.#logCopy = parts.logCopy;
  }

  static make(Constructor: DatabaseConstructor, { from, scratch }: CopyNames): ReadableCopy {
    const whole = `${scratch}-old`;
    const logCopy = `${scratch}-log`;
    copyOrEmpty(from, whole);
    copyOrEmpty(`${from}-wal`, logCopy);
    const shm = bytesOf(`${from}-shm`) === null ? null : readFileSync(`${from}-shm`);
    const scan = applyLog({ whole, logCopy, shm });
    const found = headerIn(whole);
    const header = found ?? { ...usualHeader, ...(scan.pageBytes > 0 ? pick(scan) : {}) };
    const name = `${scratch}-mended`;
    const parts = { whole, header, ...makeReadable({ Constructor, whole, header, name }), logCopy };
    const copy = new ReadableCopy({ ...parts, log: scan });
    if (!copy.#isAbandoned(Constructor)) return copy;
    const log = { ...scan, behind: new Map<number, number>() };
    return new ReadableCopy({ ...parts, log });
  }

  #isAbandoned(Constructor: DatabaseConstructor): boolean {
    const { readable } = this;
    if (readable === null || this.log.behind.size === 0) return false;
    const pages = [...this.log.behind.keys()];
    const file = openSync(this.whole, 'r');
    const log = openSync(this.#logCopy, 'r');
    try {
      const base = filePages(file, statSync(this.whole).size, this.header);
      const source = overlaid(base, log, this.log);
      return isAbandoned(Constructor, readable, { pages, source });
    } finally {
      closeSync(log);
      closeSync(file);
    }
  }

  /** Whether there is a table of an outbox, or an event on any page. */
  hasOutbox(Constructor: DatabaseConstructor): boolean {
    if (this.readable !== null && hasTables(Constructor, this.readable)) return true;
    for (const _ of this.events(() => {})) return true;
    return false;
  }

  /** Every event on every page, also of commits behind a damaged page of the log. */
  *events(onPage: (page: number, pages: number) => void): Generator<RawEvent> {
    if (this.header.encoding !== 'UTF-8') return;
    const file = openSync(this.whole, 'r');
    const log = openSync(this.#logCopy, 'r');
    try {
      const base = filePages(file, statSync(this.whole).size, this.header);
      const source = overlaid(base, log, this.log);
      for (let page = 1; page <= source.pages; page += 1) {
        onPage(page, source.pages);
        yield* eventsOn(source, page);
        // What the log has behind its damage may have replaced events that are still needed.
        if (this.log.behind.has(page)) yield* eventsOn(base, page);
      }
    } finally {
      closeSync(log);
      closeSync(file);
    }
  }
}

const pick = ({ pageBytes }: WalScan) => ({ pageBytes });

function copyOrEmpty(from: string, to: string): void {
  if (bytesOf(from) === null) closeSync(openSync(to, 'wx', 0o600));
  else copyReadable(from, to, 0o600);
}

interface LogParts {
  readonly whole: string;
  readonly logCopy: string;
  readonly shm: Buffer | null;
}

function applyLog({ whole, logCopy, shm }: LogParts): WalScan {
  const log = openSync(logCopy, 'r');
  const database = openSync(whole, 'r+');
  try {
    const scan = withEvidence(scanWal(log, statSync(logCopy).size, shm), log, database);
    applyWal(log, scan, database);
    return scan;
  } finally {
    closeSync(database);
    closeSync(log);
  }
}

function headerIn(file: string): HeaderFacts | null {
  const page = Buffer.alloc(100);
  const descriptor = openSync(file, 'r');
  try {
    return headerOf(page.subarray(0, readSync(descriptor, page, 0, 100, 0)));
  } finally {
    closeSync(descriptor);
  }
}

function hasTables(Constructor: DatabaseConstructor, file: string): boolean {
  const db = new Constructor(file, { timeout: 0 });
  try {
    db.pragma('query_only = ON');
    return db.prepare("SELECT 1 FROM sqlite_master WHERE name GLOB 'outbox_*'").get() !== undefined;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return false;
  } finally {
    db.close();
  }
}

function overlaid(base: PageSource, log: number, { behind, pageBytes }: WalScan): PageSource {
  if (behind.size === 0 || pageBytes !== base.pageBytes) return base;
  const pages = greatest(behind.keys(), base.pages);
  const read = (page: number) => {
    const place = behind.get(page);
    if (place === undefined) return base.read(page);
    const buffer = Buffer.alloc(pageBytes);
    readSync(log, buffer, 0, pageBytes, offsetOf(place, pageBytes));
    return buffer;
  };
  return { ...base, pages, read };
}

/**
 * What the log has behind a damaged page, when its index does not tell how far the file was: the
 * index is gone, or was put together again by somebody who opened the file.
 */
import { readSync } from 'node:fs';
import type { Database, DatabaseConstructor } from '../sqlite/database.ts';
import { eventsOn } from './event-pages.ts';
import { greatest, type PageSource } from './page-file.ts';
import { offsetOf, type WalScan } from './wal-file.ts';

/**
 * A file that has all of the log, but for what is not known of it (`bad`), had been brought to its
 * end before the damage: then the pages before the damage are older than those of the file.
 * @param file the database without its log
 */
export function withEvidence(scan: WalScan, log: number, file: number): WalScan {
  const { behind, bad, pageBytes } = scan;
  if (scan.copied > 0 || behind.size === 0) return scan;
  const newest = new Map([...scan.trusted, ...behind]);
  const [theirs, ours] = [Buffer.alloc(pageBytes), Buffer.alloc(pageBytes)];
  let others = 0;
  let isFurther = false;
  for (const [page, place] of newest) {
    readSync(log, theirs, 0, pageBytes, offsetOf(place, pageBytes));
    const read = readSync(file, ours, 0, pageBytes, (page - 1) * pageBytes);
    if (read < pageBytes || !ours.equals(theirs)) others += 1;
    else if (behind.has(page)) isFurther = true;
    if (others > bad) return scan;
  }
  // In a small log a page may be as it was before by chance.
  if (!isFurther || newest.size - others <= 2 * others + 1) return scan;
  const copied = greatest(newest.values(), 0) + 1;
  // The file's own length: no page of the log is to be added to it. Some of those behind the damage
  // may not be in it all the same: what differs need not be what the damaged pages have changed.
  return { ...scan, copied, databasePages: 0 };
}

/**
 * Whether they are of commits that never were: SQLite has dropped them, and has gone on with the
 * numbers that they had. No number is given twice otherwise.
 */
export function isAbandoned(
  Constructor: DatabaseConstructor,
  readable: string,
  { pages, source }: { readonly pages: Iterable<number>; readonly source: PageSource },
): boolean {
  let db: Database | null = null;
  try {
    db = new Constructor(readable, { timeout: 0 });
    db.pragma('query_only = ON');
    const idOf = db.prepare('SELECT id FROM outbox_events NOT INDEXED WHERE seq = ?').pluck();
    for (const page of pages) {
      for (const [seq, id] of eventsOn(source, page)) {
        const known = idOf.get(seq);
        if (known !== undefined && known !== id) return true;
      }
    }
    return false;
  } catch {
    return false; // nothing can be told by a table that cannot be read
  } finally {
    db?.close();
  }
}

/** The new file: made from what a readable copy gives, checked, and durable before it is used. */
import { chmodSync, chownSync, closeSync, openSync, statSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { FileUnusableError, SchemaNewerError } from '../../core/errors.ts';
import { laneOf } from '../../core/lane.ts';
import { limits } from '../../core/limits.ts';
import type { Progress, RepairFacts, TableCount } from '../integrity.ts';
import type { Database, DatabaseConstructor } from '../sqlite/database.ts';
import { knownSchema, migrate } from '../sqlite/migrate.ts';
import { sync } from './copies.ts';
import type { RawEvent } from './event-pages.ts';
import type { ReadableCopy } from './readable-copy.ts';
import { type Rebuilt, rebuild } from './rebuild.ts';
import { countOf, plainTables, salvageApplication, salvageOutbox } from './salvage.ts';
import type { TableCopy } from './table-copy.ts';
import { mendVirtualTables } from './virtual-tables.ts';

export interface FreshParts {
  readonly Constructor: DatabaseConstructor;
  readonly copy: ReadableCopy;
  /** Where it is made; there is no such file yet. */
  readonly path: string;
  readonly clock: Clock;
  readonly actor: string;
  readonly reason: string | null;
  /** Name under which the damaged file will be found. */
  readonly damagedName: string;
  readonly onProgress: Progress;
}

/** Smaller than any event: an id alone is longer. */
const eventBytesMin = 48;
const seqsLeftOutMin = 1_000_000;

/** @throws SCHEMA_NEWER, OUTBOX_FULL, and what SQLite throws of the new file */
export function makeFresh(parts: FreshParts): RepairFacts {
  const { Constructor, copy, path } = parts;
  closeSync(openSync(path, 'wx', 0o600)); // SQLite would let everybody read it
  const db = new Constructor(path);
  try {
    prepare(db, copy);
    if (copy.readable !== null) db.prepare('ATTACH ? AS old').run(copy.readable);
    else db.exec("ATTACH ':memory:' AS old");
    db.pragma('old.cell_size_check = ON');
    const facts = fill(db, parts);
    db.exec('DETACH old');
    db.pragma('journal_mode = WAL');
    return facts;
  } finally {
    db.close();
  }
}

/** As the old one was; a rollback in memory, as a kill leaves a file that nobody uses. */
function prepare(db: Database, { header, readable }: ReadableCopy): void {
  db.pragma(`page_size = ${header.pageBytes}`);
  db.pragma(`auto_vacuum = ${header.autoVacuum}`);
  db.pragma(`encoding = '${header.encoding}'`);
  db.pragma('journal_mode = MEMORY');
  db.pragma('synchronous = OFF');
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('foreign_keys = OFF');
  if (readable === null) return;
  db.pragma(`user_version = ${header.userVersion}`);
  db.pragma(`application_id = ${header.applicationId}`);
}

/** Rows of a newer schema may have columns that are not known here. */
function refuseNewerOld(db: Database): void {
  const text = 'SELECT max(version) FROM old.outbox_migrations';
  const version = attempt(() => db.prepare(text).pluck().get() as number | null);
  if (version === null) refuseUnknownColumns(db);
  if (version === null || version <= knownSchema()) return;
  const message = `the file has schema ${version}, this code knows ${knownSchema()}`;
  throw new SchemaNewerError(message);
}

/** Where its version cannot be read, a newer schema is known by what it has more. */
function refuseUnknownColumns(db: Database): void {
  const text = `SELECT t.name || '.' || c.name FROM pragma_table_list AS t,
      pragma_table_xinfo(t.name, 'old') AS c
    WHERE t.schema = 'main' AND t.name GLOB 'outbox_*' AND c.name NOT IN (
      SELECT name FROM pragma_table_xinfo(t.name, 'main'))`;
  const unknown = attempt(() => db.prepare(text).pluck().all()) ?? [];
  if (unknown.length === 0) return;
  const message = `the file has columns that this code does not know: ${unknown.join(', ')}`;
  throw new SchemaNewerError(message);
}

function fill(db: Database, parts: FreshParts): RepairFacts {
  const { clock, copy, onProgress, reason, actor } = parts;
  const meta = attempt(() => db.prepare('SELECT * FROM old.outbox_meta').get() as Meta | undefined);
  const lanes = meta?.lanes ?? lanesOf(db, copy);
  migrate(db, { clock, lanes });
  refuseNewerOld(db);
  const outboxId = keepIdentity(db, meta ?? null);
  const onRows = (table: string, rows: number) => onProgress(table, rows, null);
  const own = salvageOutbox(db, onRows);
  const search = () => copy.events((page, pages) => onProgress('pages', page, pages));
  const bytes = statSync(copy.whole).size + copy.log.suspect * copy.header.pageBytes;
  const rebuilt = rebuild({
    db,
    lanes,
    copies: own,
    search,
    logLost: copy.log.suspect > 0,
    seqsToLeaveOut: Math.max(seqsLeftOutMin, Math.ceil(bytes / eventBytesMin)),
    nowMs: clock.now(),
  });
  writeAudit(db, rebuilt, { actor, reason, file: parts.damagedName, nowMs: clock.now() });
  const theirs = salvageApplication(db, onRows);
  const virtualLost = mendVirtualTables(db);
  const { pages, used, suspect } = copy.log;
  const { sequence: _, ...facts } = rebuilt;
  return {
    outboxId,
    outboxIdKept: meta !== undefined && meta !== null,
    log: { pages, used, suspect },
    tables: [
      ...plainTables.map((table) => countOf(table, own.get(table))),
      ...[...theirs.copies].map(([table, one]) => theirCount(table, one, suspect > 0)),
    ],
    ...facts,
    objectsLost: [...copy.schemaLost, ...theirs.objectsLost, ...virtualLost],
  };
}

/** What a log has lost of the application's rows nobody can tell. */
function theirCount(table: string, copy: TableCopy, logLost: boolean): TableCount {
  const count = countOf(table, copy);
  return logLost ? { ...count, lost: null } : count;
}

interface Meta {
  readonly outbox_id: string;
  readonly lanes: number;
  readonly created_at: number;
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null; // unreadable, or not there: what follows finds out what else there is
  }
}

/**
 * The same outbox in the incarnation that its migration has made: positions that Kafka keeps are of
 * the old one.
 */
function keepIdentity(db: Database, meta: Meta | null): string {
  if (meta !== null) {
    db.prepare('UPDATE main.outbox_meta SET outbox_id = ?, created_at = ?').run(
      meta.outbox_id,
      meta.created_at,
    );
  }
  return String(db.prepare('SELECT outbox_id FROM main.outbox_meta').pluck().get());
}

const sampleEvents = 1_000;

/** By its rows, or the least number that puts the events where they are. */
function lanesOf(db: Database, copy: ReadableCopy): number {
  const text = 'SELECT count(*) AS lanes, max(lane) + 1 AS top FROM old.outbox_lanes';
  const rows = attempt(() => db.prepare(text).get() as { lanes: number; top: number });
  if (rows !== null && rows.lanes > 0 && rows.lanes === rows.top) return rows.lanes;
  const sample: RawEvent[] = [];
  for (const event of copy.events(() => {})) {
    sample.push(event);
    if (sample.length === sampleEvents) break;
  }
  const fits = (lanes: number) =>
    sample.every(([, id, topic, lane, , partition, , , , key]) => {
      return laneOf({ id, topic, key, partition }, lanes) === lane;
    });
  for (let lanes = 1; lanes <= limits.lanesMax && sample.length > 0; lanes += 1) {
    if (fits(lanes)) return lanes;
  }
  return limits.lanesDefault;
}

interface Who {
  readonly actor: string;
  readonly reason: string | null;
  readonly file: string;
  readonly nowMs: number;
}

function writeAudit(db: Database, facts: Rebuilt, { actor, reason, file, nowMs }: Who): void {
  const { events, lanesReset, setAside, mayRepeat, seqsLeftOut, sequence } = facts;
  const detail = { file, events, lanesReset, setAside, mayRepeat, seqsLeftOut, sequence };
  db.prepare(`INSERT INTO outbox_audit (at, actor, verb, reason, detail)
    VALUES (?, ?, 'repair', ?, ?)`).run(nowMs, actor, reason, JSON.stringify(detail));
}

/**
 * With the rights of the old one, and on the disk.
 * @throws FILE_UNUSABLE when it cannot be given to the old one's owner
 */
export function finish(fresh: string, like: string): void {
  const old = statSync(like, { throwIfNoEntry: false });
  if (old !== undefined && process.platform !== 'win32') {
    const { uid, gid } = statSync(fresh);
    try {
      if (uid !== old.uid || gid !== old.gid) chownSync(fresh, old.uid, old.gid);
      chmodSync(fresh, old.mode & 0o777);
    } catch (cause) {
      const message = `the new file cannot be given to user ${old.uid} and group ${old.gid}`;
      throw new FileUnusableError(`${message}, who own ${like}`, { cause });
    }
  }
  sync(fresh);
}

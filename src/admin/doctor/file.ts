/** Findings about SQLite, the outbox file, and the disk under it. Pure. */
import { limits } from '../../core/limits.ts';
import type {
  ContentFacts,
  FileFacts,
  FileInspection,
  FileProblem,
  FolderFacts,
  SqliteFacts,
} from '../../outbox/inspection.ts';
import { type CheckId, type Finding, fine } from './finding.ts';

/** @param migrate what opening does about an older schema: option `migrate` */
export function judgeFile(facts: FileInspection, migrate: 'auto' | 'check'): Finding[] {
  const { path, folder, file, sqlite, contents } = facts;
  return [
    ...judgeSqlite(sqlite),
    ...(isProblem(folder) ? [failed('file.folder', folder)] : judgeFolder(folder)),
    ...judgePresence(path, file),
    ...(contents === null ? [] : judgeContents(contents, migrate)),
  ];
}

function isProblem(facts: object): facts is FileProblem {
  return 'hint' in facts;
}

function failed(check: CheckId, { code, message, hint }: FileProblem): Finding {
  const breaks = 'The outbox cannot be opened: nothing is accepted and nothing is delivered.';
  return { check, severity: 'error', found: `${code}: ${message}`, breaks, mend: hint };
}

function judgeSqlite(facts: SqliteFacts | FileProblem): Finding[] {
  if (isProblem(facts)) {
    return [
      failed(facts.code === 'SQLITE_SECOND_COPY' ? 'sqlite.copies' : 'sqlite.version', facts),
    ];
  }
  const { version, tooOld, builtin } = facts;
  const old: Finding = {
    check: 'sqlite.version',
    severity: 'error',
    found: `SQLite ${version} is older than 3.51.3`,
    breaks: 'Two connections that checkpoint at once can corrupt the file; it is not opened.',
    mend: 'Update better-sqlite3 to 13 or later.',
  };
  return [tooOld ? old : fine('sqlite.version', `SQLite ${version}`), judgeBuiltin(builtin)];
}

function judgeBuiltin(builtin: SqliteFacts['builtin']): Finding {
  const check = 'sqlite.copies';
  if (builtin === 'absent') return fine(check, 'one copy of SQLite in this process');
  const breaks =
    'Two SQLites with one file cancel each other’s file locks: committed rows can vanish.';
  if (builtin === 'elsewhere') {
    const found = 'node:sqlite is loaded; nothing in this process has the file open';
    const mend = 'Nothing, as long as node:sqlite is not used for this file.';
    return { check, severity: 'note', found, breaks, mend };
  }
  const found =
    'node:sqlite is loaded, and the file may be open in this process: it was not looked into';
  const mend =
    'Use better-sqlite3 for this file, here and everywhere; look into it by `outbox-relay doctor`.';
  return { check, severity: 'warning', found, breaks, mend };
}

function judgeFolder(facts: FolderFacts): Finding[] {
  const access: Finding = {
    check: 'file.folder',
    severity: 'error',
    found: 'this user may not make files in the folder',
    breaks: 'SQLite keeps its log beside the file: without it nothing is accepted or delivered.',
    mend: 'Give the user of the application and of the relay write access to the folder.',
  };
  return [
    facts.writable ? fine('file.folder', 'this user may make files in the folder') : access,
    judgeSystem(facts),
    judgeDisk(facts.freeBytes),
  ];
}

function judgeSystem({ mountType, network }: FolderFacts): Finding {
  const check = 'file.system';
  if (network !== null) {
    return {
      check,
      severity: 'error',
      found: `a network file system (${network})`,
      breaks: 'WAL needs shared memory, which network shares do not give; the file is refused.',
      mend: 'Move the file to a local disk.',
    };
  }
  if (mountType === 'tmpfs' || mountType === 'ramfs') {
    return {
      check,
      severity: 'warning',
      found: `in memory (${mountType})`,
      breaks: 'A restart of the machine or container loses every event that is not delivered.',
      mend: 'Move the file to a disk or a volume.',
    };
  }
  if (mountType === 'overlay') {
    return {
      check,
      severity: 'warning',
      found: 'in the writable layer of a container (overlay)',
      breaks: 'Removing or updating the container loses every event that is not delivered.',
      mend: 'Put the file on a volume.',
    };
  }
  return fine(check, mountType === null ? 'no network share that we know' : `local (${mountType})`);
}

function judgeDisk(freeBytes: bigint): Finding {
  const found = `${sizeOf(freeBytes)} free`;
  if (freeBytes >= limits.diskFreeBytesLow) return fine('file.disk', found);
  const mend = 'Free disk space, or move the file to a larger disk.';
  if (freeBytes >= limits.diskFreeBytesMin) {
    const breaks = 'An outage of Kafka fills the disk; then events are refused (OUTBOX_FULL).';
    return { check: 'file.disk', severity: 'warning', found, breaks, mend };
  }
  const breaks = 'Events are about to be refused (OUTBOX_FULL), and pruning needs space as well.';
  return { check: 'file.disk', severity: 'error', found, breaks, mend };
}

function judgePresence(path: string, file: FileFacts | FileProblem | null): Finding[] {
  if (file === null) {
    return [
      {
        check: 'file.exists',
        severity: 'error',
        found: `${path} does not exist`,
        breaks:
          'There is nothing to relay; with a mistyped path `run` makes an empty outbox there.',
        mend: 'Check the path, or make the outbox with `outbox-relay migrate --db FILE`.',
      },
    ];
  }
  if (isProblem(file)) return [failed('file.exists', file)];
  const exists = fine('file.exists', `${path}, ${sizeOf(BigInt(file.bytes))}`);
  const access: Finding = {
    check: 'file.access',
    severity: 'error',
    found: 'this user may not read and write the file',
    breaks: 'Nothing is accepted or delivered by a process of this user.',
    mend: 'Run as the file’s owner, or give this user read and write access.',
  };
  const writable = fine('file.access', 'this user may read and write the file');
  const mayWrite = file.writable ? writable : access;
  return [exists, ...judgeMode(file.mode), mayWrite, judgeWal(file.walBytes)];
}

function judgeWal(walBytes: number): Finding {
  const check = 'file.wal';
  const found = `${sizeOf(BigInt(walBytes))} in the log of changes (-wal)`;
  if (walBytes < limits.walBytesLarge) return fine(check, found);
  const breaks = 'It takes the room of its copy in the file, too, until the disk is full.';
  const mend = 'End the read transaction that stays open; without one, the relay shrinks it.';
  return { check, severity: 'warning', found, breaks, mend };
}

function judgeMode(mode: number | null): Finding[] {
  if (mode === null) return []; // this system has other means
  const check = 'file.mode';
  const found = `mode ${mode.toString(8).padStart(4, '0')}`;
  const mend = 'chmod 0640 the file (or 0600), and its folder accordingly.';
  if ((mode & 0o002) !== 0) {
    const breaks = 'Every user of this host can add, change and delete events.';
    const severity = 'warning';
    return [{ check, severity, found: `${found}: others may write`, breaks, mend }];
  }
  if ((mode & 0o004) !== 0) {
    const breaks = 'Every user of this host can read the events, delivered ones included.';
    return [{ check, severity: 'note', found: `${found}: others may read`, breaks, mend }];
  }
  if ((mode & 0o060) !== 0) {
    const breaks = 'The users of its group can read, or change, the events.';
    const only =
      'Nothing, if application and relay share that group; otherwise chmod 0600 the file.';
    return [{ check, severity: 'note', found: `${found}: its group may, too`, breaks, mend: only }];
  }
  return [fine(check, found)];
}

function judgeContents(facts: ContentFacts | FileProblem, migrate: 'auto' | 'check'): Finding[] {
  if (isProblem(facts)) return [failed('file.open', facts)];
  const opened = fine('file.open', 'SQLite opens it');
  const schema = judgeSchema(facts, migrate);
  if (schema.severity === 'error') return [opened, schema];
  return [
    opened,
    schema,
    judgeJournal(facts),
    judgeSynchronous(facts),
    judgeFreePages(facts),
    ...judgeWatermarks(facts),
  ];
}

function judgeSchema(facts: ContentFacts, migrate: 'auto' | 'check'): Finding {
  const { schema, schemaKnown, schemaOldestCode } = facts;
  const check = 'file.schema';
  const breaks = 'The outbox is not opened: nothing is accepted and nothing is delivered.';
  if (schemaOldestCode > schemaKnown) {
    const admits = `for code from schema ${schemaOldestCode} on`;
    const found = `the file has schema ${schema}, ${admits}; this version knows ${schemaKnown}`;
    const mend = 'Update outbox-relay here: another process has already migrated the file.';
    return { check, severity: 'error', found, breaks, mend };
  }
  if (schema === 0) {
    const found = 'the file has no outbox tables';
    const mend = 'Check the path, or run `outbox-relay migrate --db FILE`.';
    return { check, severity: 'error', found, breaks, mend };
  }
  if (schema < schemaKnown) {
    const found = `the file has schema ${schema}, this version brings it to ${schemaKnown}`;
    if (migrate === 'check') {
      const mend = 'Run `outbox-relay migrate --db FILE`, or set migrate to "auto".';
      return { check, severity: 'error', found, breaks, mend };
    }
    const later = 'The next process that opens it migrates it, and there is no way back.';
    const mend = 'Nothing, if this version is to stay.';
    return { check, severity: 'note', found, breaks: later, mend };
  }
  const known = schema > schemaKnown ? ', newer than this version, which may go on' : '';
  return fine(check, `schema ${schema}${known}`);
}

function judgeJournal({ journalMode }: ContentFacts): Finding {
  if (journalMode === 'wal') return fine('file.journal', 'journal_mode wal');
  return {
    check: 'file.journal',
    severity: 'warning',
    found: `journal_mode ${journalMode}, not wal`,
    breaks: 'Readers and writers block each other; an application’s handle is refused.',
    mend: 'Run `PRAGMA journal_mode=WAL` on the file, and find out what switched it off.',
  };
}

/** The setting is a connection's: the application's own is looked at when it opens the outbox. */
function judgeSynchronous({ synchronous }: ContentFacts): Finding {
  const check = 'file.synchronous';
  if (synchronous >= 2) return fine(check, 'connections of ours commit with synchronous FULL');
  return {
    check,
    severity: 'error',
    found: `synchronous stays at ${synchronous} on a connection of ours`,
    breaks: 'A power cut loses commits; such a connection is refused.',
    mend: 'Use a better-sqlite3 whose SQLite takes `PRAGMA synchronous=FULL`.',
  };
}

function judgeFreePages({ autoVacuum, freePagesBytes }: ContentFacts): Finding {
  const check = 'file.free_pages';
  const found = `${sizeOf(BigInt(freePagesBytes))} in unused pages`;
  if (autoVacuum !== 0 || freePagesBytes < limits.freePagesBytesMax) return fine(check, found);
  return {
    check,
    severity: 'note',
    found: `${found}, kept because auto_vacuum is off`,
    breaks: 'The disk does not get them back; later events use them again.',
    mend: 'While nothing writes: `PRAGMA auto_vacuum=INCREMENTAL`, then `VACUUM`.',
  };
}

function judgeWatermarks({ lanesAtOdds }: ContentFacts): Finding[] {
  if (lanesAtOdds === null) return [];
  const check = 'file.watermarks';
  if (lanesAtOdds.length === 0) return [fine(check, 'no lane is at odds with Kafka')];
  const lanes = lanesAtOdds.length === 1 ? 'lane' : 'lanes';
  return [
    {
      check,
      severity: 'error',
      found: `Kafka and the file tell different stories of ${lanes} ${lanesAtOdds.join(', ')}`,
      breaks: 'With exactly-once delivery their events wait until somebody decides.',
      mend: 'Bring back the newest file, or `outbox-relay reset-watermarks`: it may repeat some.',
    },
  ];
}

/** Rounded down, so that it never looks like enough when it is not. */
export function sizeOf(bytes: bigint): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : Math.floor(value * 10) / 10} ${units[unit]}`;
}

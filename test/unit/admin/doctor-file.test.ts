import { describe, expect, it } from 'vitest';
import { judgeFile, sizeOf } from '../../../src/admin/doctor/file.ts';
import { worstOf } from '../../../src/admin/doctor/finding.ts';
import { judgeTiming } from '../../../src/admin/doctor/timing.ts';
import type {
  ContentFacts,
  FileFacts,
  FileInspection,
  FolderFacts,
  SqliteFacts,
} from '../../../src/outbox/inspection.ts';

const mib = 1_024n ** 2n;
const folder: FolderFacts = {
  mountType: 'ext4',
  network: null,
  freeBytes: 10_240n * mib,
  writable: true,
};
const file: FileFacts = { bytes: 69_632, walBytes: 4_000_000, mode: 0o600, writable: true };
const contents: ContentFacts = {
  journalMode: 'wal',
  synchronous: 2,
  autoVacuum: 2,
  freePagesBytes: 0,
  schema: 1,
  schemaOldestCode: 1,
  schemaKnown: 1,
  topics: [],
  lanesAtOdds: [],
  topicsCut: false,
};
const sqlite: SqliteFacts = { version: '3.54.1', tooOld: false, builtin: 'absent' };
const healthy: FileInspection = { path: '/srv/shop.db', folder, file, sqlite, contents };
const problem = (code: string) => ({ code, message: 'what happened', hint: 'what to do' });

/** What is not ok, as `check severity`. */
function bad(facts: Partial<FileInspection>): string[] {
  return judgeFile({ ...healthy, ...facts }, 'auto')
    .filter(({ severity }) => severity !== 'ok')
    .map(({ check, severity }) => `${check} ${severity}`);
}

describe('judging a file', () => {
  it('finds nothing in one that is in order, and looks at everything', () => {
    expect(bad({})).toEqual([]);
    expect(judgeFile(healthy, 'auto')).toHaveLength(15);
  });

  it('says what it breaks and how to mend it whenever it is not ok', () => {
    const ill = {
      ...healthy,
      folder: { ...folder, network: 'NFS', freeBytes: 0n, writable: false },
      file: { ...file, mode: 0o666, writable: false },
      sqlite: problem('SQLITE_SECOND_COPY'),
      contents: problem('FILE_UNUSABLE'),
    };
    const worst = judgeFile(ill, 'auto').filter(({ severity }) => severity !== 'ok');
    expect(worst).toHaveLength(7);
    for (const { breaks, mend } of worst) expect([breaks, mend]).not.toContain(null);
  });

  it.each<[string, Partial<FolderFacts>, string[]]>([
    ['NFS', { network: 'NFS' }, ['file.system error']],
    ['tmpfs', { mountType: 'tmpfs' }, ['file.system warning']],
    ['overlay', { mountType: 'overlay' }, ['file.system warning']],
    ['an unknown mount', { mountType: null }, []],
    ['a folder that may not be written', { writable: false }, ['file.folder error']],
    ['1 GiB free', { freeBytes: 1_024n * mib }, []],
    ['a byte less', { freeBytes: 1_024n * mib - 1n }, ['file.disk warning']],
    ['64 MiB free', { freeBytes: 64n * mib }, ['file.disk warning']],
    ['one byte below that', { freeBytes: 64n * mib - 1n }, ['file.disk error']],
  ])('of %s', (_, given, expected) => {
    expect(bad({ folder: { ...folder, ...given } })).toEqual(expected);
  });

  it.each<[number | null, string[]]>([
    [0o600, []],
    [0o640, ['file.mode note']],
    [0o660, ['file.mode note']],
    [0o644, ['file.mode note']],
    [0o646, ['file.mode warning']],
    [0o666, ['file.mode warning']],
    [0o602, ['file.mode warning']],
    [null, []],
  ])('of mode %o', (mode, expected) => {
    expect(bad({ file: { ...file, mode } })).toEqual(expected);
  });

  it.each<[string, number, string[]]>([
    ['256 MiB', 2 ** 28, ['file.wal warning']],
    ['a byte less', 2 ** 28 - 1, []],
  ])('with %s in its log of changes', (_, walBytes, expected) => {
    expect(bad({ file: { ...file, walBytes } })).toEqual(expected);
  });

  it.each<[string, Partial<ContentFacts>, string[]]>([
    ['a newer schema', { schema: 2 }, []],
    ['a schema not for us', { schema: 2, schemaOldestCode: 2 }, ['file.schema error']],
    ['an older schema', { schema: 1, schemaKnown: 2 }, ['file.schema note']],
    ['no schema', { schema: 0, schemaOldestCode: 0 }, ['file.schema error']],
    ['no schema in a journal', { schema: 0, journalMode: 'delete' }, ['file.schema error']],
    ['a rollback journal', { journalMode: 'delete' }, ['file.journal warning']],
    ['synchronous NORMAL', { synchronous: 1 }, ['file.synchronous error']],
    ['synchronous EXTRA', { synchronous: 3 }, []],
    ['free pages', { autoVacuum: 0, freePagesBytes: 2 ** 26 }, ['file.free_pages note']],
    ['few free pages', { autoVacuum: 0, freePagesBytes: 2 ** 26 - 1 }, []],
    ['lanes at odds with Kafka', { lanesAtOdds: [0, 3] }, ['file.watermarks error']],
    ['free pages that are given back', { autoVacuum: 2, freePagesBytes: 2 ** 30 }, []],
  ])('with %s', (_, given, expected) => {
    expect(bad({ contents: { ...contents, ...given } })).toEqual(expected);
  });

  it('with an older schema that must not be migrated: an error', () => {
    const older = { ...healthy, contents: { ...contents, schemaKnown: 2 } };
    expect(judgeFile(older, 'check').at(-1)).toMatchObject({
      check: 'file.schema',
      severity: 'error',
    });
  });

  it.each<[string, Partial<FileInspection>, string[]]>([
    ['is not there', { file: null, contents: null }, ['file.exists error']],
    ['may not be asked', { file: problem('EACCES'), contents: null }, ['file.exists error']],
    ['may not be written', { file: { ...file, writable: false } }, ['file.access error']],
    ['cannot be opened', { contents: problem('FILE_UNUSABLE') }, ['file.open error']],
    ['is in no folder', { folder: problem('ENOENT'), contents: null }, ['file.folder error']],
    [
      'meets an old SQLite',
      { sqlite: { ...sqlite, version: '3.51.2', tooOld: true } },
      ['sqlite.version error'],
    ],
    [
      'node:sqlite may have open',
      { sqlite: { ...sqlite, builtin: 'perhaps' }, contents: null },
      ['sqlite.copies warning'],
    ],
    [
      'node:sqlite has not open',
      { sqlite: { ...sqlite, builtin: 'elsewhere' } },
      ['sqlite.copies note'],
    ],
    ['meets two SQLites', { sqlite: problem('SQLITE_SECOND_COPY') }, ['sqlite.copies error']],
    ['meets none', { sqlite: problem('MODULE_NOT_FOUND') }, ['sqlite.version error']],
  ])('that %s', (_, given, expected) => {
    expect(bad(given)).toEqual(expected);
  });
});

describe('judging times', () => {
  it.each([
    [30_000, 20_000, 'ok'],
    [25_000, 20_000, 'ok'],
    [24_999, 20_000, 'error'],
    [20_000, 20_000, 'error'],
    [30_001, 24_001, 'error'],
    [30_002, 24_001, 'ok'],
  ])('a lease of %i ms and a send of %i ms: %s', (leaseMs, sendTimeoutMs, severity) => {
    expect(judgeTiming({ leaseMs, sendTimeoutMs })).toMatchObject([{ severity }]);
  });
});

describe('a size', () => {
  it.each([
    [0n, '0 bytes'],
    [1_023n, '1023 bytes'],
    [1_024n, '1 KiB'],
    [1_024n ** 3n - 1n, '1023.9 MiB'],
    [10n * 1_024n ** 5n, '10240 TiB'],
  ])('of %i is %s', (bytes, text) => {
    expect(sizeOf(bytes)).toBe(text);
  });
});

describe('the worst', () => {
  it.each([
    [[], 'ok'],
    [['ok', 'note', 'ok'], 'note'],
    [['warning', 'note'], 'warning'],
    [['ok', 'error', 'warning'], 'error'],
  ] as const)('of %j is %s', (severities, worst) => {
    const findings = severities.map((severity) => {
      return { check: 'file.mode', severity, found: '', breaks: null, mend: null } as const;
    });
    expect(worstOf(findings)).toBe(worst);
  });
});

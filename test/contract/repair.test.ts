/** A damaged file, repaired: every page in turn, cut files, and logs of changes that are torn. */
import { cpSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFile, openOutbox, type RepairReport, repairFile } from '../../src/index.ts';
import { codeOf, DamagedFile, pageBytes, randomOf, seedOf } from '../support/damaged-file.ts';

const seed = seedOf('repair');
let random: () => number;
let file: DamagedFile;

beforeEach(async () => {
  random = randomOf(seed);
  file = new DamagedFile();
  await file.withHistory();
});
afterEach(() => file.remove());

const some = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

/** Repairs, and holds the report to what a relay then delivers. */
async function repairAndRelay(): Promise<NonNullable<RepairReport['facts']>> {
  const before = file.bytes();
  const deliveredBefore = file.delivered();
  const report = repairFile(file.path, { actor: 'ann', reason: 'test' });
  expect(report.result).toBe('repaired');
  const facts = report.facts as NonNullable<RepairReport['facts']>;
  // The old file is aside, byte for byte, and nothing else is left beside the new one.
  const aside = String(report.damagedPath);
  expect(file.bytes(aside).equals(before)).toBe(true);
  expect(readdirSync(file.folder).filter((name) => /repair/.test(name))).toEqual([]);
  expect(checkFile(file.path).findings.filter(({ severity }) => severity !== 'note')).toEqual([]);
  const kept = file.kept();
  const { pending, held, removed, accepted, delivered } = file.status();
  expect(accepted).toBe(pending + held + removed + delivered);
  // What is not in Kafka yet and is not in the file is lost, and that is what the report says.
  const lost = file.accepted.filter((id) => !deliveredBefore.has(id) && !kept.has(id));
  if (facts.events.lostExact) expect(facts.events.lost).toBe(lost.length);
  else expect(facts.events.lost).toBeGreaterThanOrEqual(0);
  await file.relay();
  const arrived = file.delivered();
  const still = file.kept();
  const nowhere = file.accepted.filter((id) => !arrived.has(id) && !still.has(id));
  expect(nowhere.toSorted()).toEqual(lost.toSorted());
  const [audit] = file.sql('SELECT actor, verb, reason FROM outbox_audit ORDER BY id DESC LIMIT 1');
  expect(audit).toEqual({ actor: 'ann', verb: 'repair', reason: 'test' });
  return facts;
}

describe('a file of which one page is damaged', () => {
  it.each([
    ['a leaf of the log', 'outbox_events', 'leaf'],
    ['the root of the log', 'outbox_events', 'internal'],
  ])('%s', async (_, name, kind) => {
    const all = file.sql('SELECT count(*) AS n FROM outbox_events')[0]?.['n'];
    file.overwritePage(some(file.pagesOf(name, kind)), random);
    expect(checkFile(file.path)).toMatchObject({ ok: false, worst: 'error' });
    const { events } = await repairAndRelay();
    expect(events.lostExact).toBe(true);
    expect(events.read + events.lost + Number(events.lostDelivered)).toBe(all);
    // A root holds no event: all of them are found on their pages.
    if (kind === 'internal') expect(events).toMatchObject({ lost: 0, found: all });
    else expect(events.read).toBeGreaterThan(600);
  });

  it.each(['outbox_events_by_lane', 'outbox_held_by_key', 'outbox_dedupe_by_expiry'])(
    'an index, %s: nothing is lost',
    async (name) => {
      file.overwritePage(some(file.pagesOf(name)), random);
      const { events, tables } = await repairAndRelay();
      expect(events).toMatchObject({ lost: 0, lostExact: true, found: 0 });
      expect(tables.filter(({ lost }) => lost !== 0)).toEqual([]);
    },
  );

  it('the first page: the tables are found by their rows', async () => {
    file.overwritePage(1, random);
    const { events, outboxIdKept } = await repairAndRelay();
    expect(events).toMatchObject({ lost: 0, lostExact: true });
    expect(outboxIdKept).toBe(true);
  });

  it('the header alone', async () => {
    file.overwrite({ at: 0, bytes: 100 }, random);
    expect(await repairAndRelay()).toMatchObject({ events: { lost: 0 }, outboxIdKept: true });
  });

  it('the lanes: cursors are where the ledger proves them', async () => {
    const heldBefore = file.status().held;
    file.overwritePage(file.pagesOf('outbox_lanes')[0] as number, random);
    const { lanesReset, mayRepeat } = await repairAndRelay();
    expect(lanesReset).toEqual([0, 1, 2, 3]);
    // The pending ones; of the delivered ones none is sent again.
    expect(mayRepeat).toBe(400);
    const sent = file.kafka.recordsOf('orders').length;
    expect(sent).toBe(400 - Number(file.status().held - heldBefore));
  });

  it('the lanes, with an event set aside ahead of its cursor: those before it go', async () => {
    file.exec(`
      INSERT INTO outbox_held (seq, lane, topic, order_key, state)
      SELECT seq, lane, topic, key, 'blocked' FROM outbox_events
      WHERE seq = (SELECT max(seq) FROM outbox_events);
      UPDATE outbox_lanes SET open = 1`);
    file.overwritePage(file.pagesOf('outbox_lanes')[0] as number, random);
    const { mayRepeat } = await repairAndRelay();
    expect(mayRepeat).toBe(401); // what was released is pending, too
  });

  it('an index, amid a transaction: what Kafka may have may come twice', async () => {
    file.exec('UPDATE outbox_lanes SET open = 1');
    file.overwritePage(some(file.pagesOf('outbox_events_by_lane')), random);
    expect((await repairAndRelay()).mayRepeat).toBe(400);
  });

  it('what is held: every event that may be held is', async () => {
    const [before] = file.sql("SELECT count(*) AS n FROM outbox_held WHERE state <> 'skipped'");
    expect(Number(before?.['n'])).toBeGreaterThan(1);
    file.overwritePage(file.pagesOf('outbox_held')[0] as number, random);
    const { setAside } = await repairAndRelay();
    expect(setAside).toBe(before?.['n']); // the index by key still names them
    // The first is refused again, and its key waits: ten of the pending events are of it.
    const held = Number(before?.['n']) + 10;
    expect(file.status()).toMatchObject({ held, dead: 1, retrying: 0 });
  });

  it('the numbers that were given: some are left out, and none comes again', async () => {
    const [{ root }] = file.sql<{ root: number }>(
      "SELECT rootpage AS root FROM sqlite_master WHERE name = 'sqlite_sequence'",
    ) as [{ root: number }];
    file.overwritePage(root, random);
    const { seqsLeftOut } = await repairAndRelay();
    expect(seqsLeftOut).toBeGreaterThanOrEqual(1_000_000);
    const outbox = openOutbox({ path: file.path });
    const { seq } = outbox.enqueue({ topic: 'orders', key: 'k', value: 'x' });
    await outbox.close();
    expect(seq).toBe(681 + seqsLeftOut + 1);
  });

  it('the list of free pages', async () => {
    file.exec('CREATE TABLE waste (x); INSERT INTO waste VALUES (zeroblob(400000))');
    file.exec('DROP TABLE waste');
    const trunk = file.bytes().readUInt32BE(32);
    file.overwritePage(trunk, random);
    expect(await repairAndRelay()).toMatchObject({ events: { lost: 0, lostExact: true } });
  });

  it('any page at all', async () => {
    const pages = file.size() / pageBytes;
    const pristine = file.bytes();
    for (let round = 0; round < 12; round += 1) {
      writeFileSync(file.path, pristine);
      const page = 1 + Math.floor(random() * pages);
      file.overwritePage(page, random);
      const { findings } = checkFile(file.path);
      // A page that only fills a value looks like any other to SQLite.
      if (findings.length === 0) continue;
      const report = repairFile(file.path);
      expect(checkFile(file.path).ok, `page ${page}`).toBe(true);
      // Pending and held ones; delivered ones only while something says that they were there.
      const { read = 0, lost = 0 } = report.facts?.events ?? {};
      expect(read + lost, `page ${page}`).toBeGreaterThanOrEqual(403);
      expect(lost, `page ${page}`).toBeLessThan(30);
    }
  });
});

describe('a file that was cut', () => {
  it('after a third of its pages', async () => {
    const pages = file.size() / pageBytes;
    truncateSync(file.path, Math.floor(pages / 3) * pageBytes);
    expect(checkFile(file.path).ok).toBe(false);
    const { events } = await repairAndRelay();
    expect(events.read).toBeGreaterThan(0);
    expect(events.lost).toBeGreaterThan(0);
  });

  it('to nothing, or never was an outbox: an error, and nothing is touched', () => {
    const names = readdirSync(file.folder);
    for (const text of ['', 'not a database, and long enough to be read as one '.repeat(200)]) {
      writeFileSync(file.path, text);
      expect(codeOf(() => repairFile(file.path))).toBe('FILE_UNUSABLE');
      expect(file.bytes().toString()).toBe(text);
      expect(readdirSync(file.folder)).toEqual(names);
    }
    expect(codeOf(() => repairFile(join(file.folder, 'none.db')))).toBe('FILE_NOT_FOUND');
    expect(codeOf(() => repairFile(file.folder))).toBe('FILE_UNUSABLE');
  });
});

describe('a log of changes', () => {
  /** Puts the file in place as a kill -9 would have left it: 60 more events are in its log. */
  async function withLog(): Promise<void> {
    const db = new Database(file.path);
    db.prepare('SELECT 1 FROM outbox_meta').get(); // keeps the log when others close
    await file.accept(60);
    const crashed = join(file.folder, 'crashed');
    cpSync(file.path, crashed);
    cpSync(`${file.path}-wal`, `${crashed}-wal`);
    db.close();
    for (const suffix of ['', '-wal']) cpSync(crashed + suffix, file.path + suffix);
    for (const suffix of ['', '-wal']) rmSync(crashed + suffix);
  }

  it('that was cut loses the commits behind the cut, and nothing before it', async () => {
    const [page] = file.pagesOf('outbox_events'); // of the oldest events, which are delivered
    await withLog();
    truncateSync(`${file.path}-wal`, Math.floor(file.size(`${file.path}-wal`) * 0.6));
    file.overwritePage(page as number, random);
    const { log, events, seqsLeftOut } = await repairAndRelay();
    expect(log.used).toBeGreaterThan(0);
    expect(log.suspect).toBeGreaterThan(0);
    expect(events.read).toBeGreaterThan(600);
    expect(events.lostExact).toBe(false);
    expect(seqsLeftOut).toBeGreaterThanOrEqual(1_000_000);
  });

  it('that is torn in the middle: events of the commits behind it are found', async () => {
    await withLog();
    const log = `${file.path}-wal`;
    file.overwrite({ at: Math.floor(file.size(log) / 2), bytes: 100, file: log }, random);
    const facts = await repairAndRelay();
    expect(facts.log.suspect).toBeGreaterThan(1);
    expect(facts.events.found).toBeGreaterThan(10);
    expect(file.accepted.filter((id) => !file.delivered().has(id) && !file.kept().has(id))).toEqual(
      [],
    );
  });

  it('beside an emptied file is not taken for leftovers', async () => {
    await withLog();
    const log = file.bytes(`${file.path}-wal`);
    truncateSync(file.path, 0);
    expect(codeOf(() => openOutbox({ path: file.path }))).toBe('FILE_DAMAGED');
    expect(checkFile(file.path)).toMatchObject({ ok: false });
    expect(file.bytes(`${file.path}-wal`).equals(log)).toBe(true);
    const report = repairFile(file.path);
    expect(file.bytes(`${report.damagedPath}-wal`).equals(log)).toBe(true);
    expect(report.facts?.events.read).toBeGreaterThanOrEqual(1);
    expect(checkFile(file.path).findings).toEqual([]);
  });
});

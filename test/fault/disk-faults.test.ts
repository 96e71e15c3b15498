/** A disk that fails a sync or has no room at some moment, and then loses its power. */
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Account } from '../support/power/account.ts';
import { errnos, type Machine, type Order, Power } from '../support/power/power.ts';
import { Random } from '../support/power/random.ts';
import { until } from '../support/wait.ts';

let power: Power;
let account: Account;
beforeEach(() => {
  power = new Power();
  account = new Account();
});
afterEach(() => power.close());

function startWriter(): Machine {
  const from = account.lastIssued + 1;
  const events = { path: power.db, topic: 'orders', lanes: 2, groupEvents: 5, how: 'library' };
  return power.start('test/support/power/writer.ts', { ...events, from });
}

const linesWith = (text: string, { child }: Machine) =>
  child.lines.filter((line) => line.includes(text)).length;

async function acceptMore(writer: Machine, count: number): Promise<void> {
  const wanted = linesWith('accepted', writer) + count;
  await until(`${count} more accepted`, () => linesWith('accepted', writer) >= wanted);
}

/** Ids that the file has, as who opens it next finds them. */
function stored(): Set<string> {
  const db = new Database(power.db);
  try {
    return new Set(db.prepare('SELECT id FROM outbox_events').pluck().all() as string[]);
  } finally {
    db.close();
  }
}

/** The fault, more events, the power; what is missing then, and what was refused with which code. */
async function fail(order: Order, seed: number) {
  const writer = startWriter();
  await acceptMore(writer, 50);
  writer.order(order);
  await until('a refusal', () => linesWith('refused', writer) > 0);
  await acceptMore(writer, 60);
  await power.cut(new Random(seed));
  account.take(writer.child.lines);
  const { integrity, lastSeq } = power.look();
  expect(lastSeq).toBeGreaterThanOrEqual(account.lastSeq);
  const ids = stored();
  const missing = account.accepted.filter(({ id }) => !ids.has(id));
  return { integrity, missing, codes: [...new Set(account.refused.values())] };
}

const { EIO, ENOSPC } = errnos;
const seeds = [1, 2, 3, 4, 5] as const;

describe('a disk that fails', () => {
  it.each(seeds)(
    'a sync of a commit: the outcome is unknown, nothing accepted lost (seed %i)',
    async (seed) => {
      const order = { what: 'sync', suffix: '-wal', errno: EIO, skip: seed, times: seed } as const;
      expect(await fail(order, seed)).toEqual({
        integrity: 'ok',
        missing: [],
        codes: ['OUTCOME_UNKNOWN'],
      });
    },
  );

  it.each(seeds)(
    'a write of a commit for want of room: refused, nothing accepted lost (seed %i)',
    async (seed) => {
      const order = {
        what: 'write',
        suffix: '-wal',
        errno: ENOSPC,
        skip: seed,
        times: seed,
      } as const;
      expect(await fail(order, seed)).toEqual({
        integrity: 'ok',
        missing: [],
        codes: ['OUTBOX_FULL'],
      });
    },
  );

  it.each(seeds)(
    'a sync of the file, which a checkpoint asks for: nobody notices, nothing is lost (seed %i)',
    async (seed) => {
      const writer = startWriter();
      await acceptMore(writer, 50);
      writer.order({ what: 'sync', suffix: 'outbox.db', errno: EIO, times: seed });
      await acceptMore(writer, 2_000);
      await power.cut(new Random(seed));
      account.take(writer.child.lines);
      expect(power.look()).toMatchObject({ integrity: 'ok' });
      const ids = stored();
      expect(account.refused.size).toBe(0);
      expect(account.accepted.filter(({ id }) => !ids.has(id))).toEqual([]);
    },
  );
});

/** A disk that fails a sync or has no room at some moment, and then loses its power. */
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { type ConsumedRecord, hashOf } from '../../src/testing/checker.ts';
import { hasPowerRig } from '../support/platform.ts';
import { Account } from '../support/power/account.ts';
import { bodyOf } from '../support/power/events.ts';
import { errnos, type Machine, type Order, Power } from '../support/power/power.ts';
import { Random } from '../support/random.ts';
import { until } from '../support/wait.ts';

const { EIO, ENOSPC } = errnos;
const seeds = [1, 2, 3, 4, 5];

function startWriter(power: Power): Machine {
  const events = { path: power.db, topic: 'orders', lanes: 2, groupEvents: 5, how: 'library' };
  const writer = power.start('test/support/power/writer.ts', { ...events, from: 1 });
  writer.child.write('go\n');
  return writer;
}

const linesWith = (text: string, { child }: Machine) =>
  child.lines.filter((line) => line.includes(text)).length;

async function acceptMore(writer: Machine, count: number): Promise<void> {
  const wanted = linesWith('accepted', writer) + count;
  await until(`${count} more accepted`, () => linesWith('accepted', writer) >= wanted);
}

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly topic: string;
  readonly lane: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** What the file has, as who opens it next finds it: a record per event, its seq the offset. */
function stored(path: string): ConsumedRecord[] {
  const db = new Database(path);
  try {
    const rows = db.prepare('SELECT seq, id, topic, lane, key, value FROM outbox_events').all();
    return (rows as Row[]).map(({ seq, id, topic, lane, key, value }) => {
      const place = { topic, partition: lane, offset: seq, appendedAtMs: null };
      return { ...place, id, key: key.toString(), hash: hashOf(value) };
    });
  } finally {
    db.close();
  }
}

/** Of the events that were surely refused, how many the file has nevertheless. */
function refusedAndStored({ refused }: Account, records: readonly ConsumedRecord[]): number {
  const hashes = new Set(records.map(({ hash }) => hash));
  const sure = [...refused].filter(([, code]) => code !== 'OUTCOME_UNKNOWN');
  return sure.filter(([number]) => hashes.has(hashOf(bodyOf(number)))).length;
}

interface Plan {
  readonly order: Order;
  readonly seed: number;
  /** Whether the writer is told of it. */
  readonly refuses: boolean;
}

/** Events that are accepted after the fault, before the power is cut. */
const after = 60;

/** The fault, more events, the power cut; what the file is like then, and what was refused. */
async function fail({ order, seed, refuses }: Plan) {
  const power = new Power();
  try {
    const account = new Account('orders');
    const writer = startWriter(power);
    await acceptMore(writer, 50);
    writer.order(order);
    if (refuses) await until('a refusal', () => linesWith('refused', writer) > 0);
    else await until('as many failures', () => power.failedSyncs().length === order.times);
    await acceptMore(writer, after);
    await power.killAll();
    const failedSyncs = power.failedSyncs();
    await power.cut(new Random(seed));
    account.take(writer.child.lines);
    const { integrity, lastSeq } = power.look();
    const records = stored(power.db);
    const { lost, duplicated, reordered, mismatched, unissued } = account.check(records);
    return {
      ...{ failedSyncs, integrity, rewound: lastSeq < account.lastSeq },
      ...{ lost, duplicated, reordered, mismatched, unissued },
      ...{ stored: refusedAndStored(account, records) },
      codes: [...new Set(account.refused.values())],
    };
  } finally {
    await power.close();
  }
}

const whole = {
  ...{ integrity: 'ok', rewound: false },
  ...{ lost: 0, duplicated: 0, reordered: 0, mismatched: 0, unissued: 0, stored: 0 },
};

/** What the shim has written down of as many failures. */
const failures = (count: number, name: string) =>
  Array.from({ length: count }, () => ({ name, errno: EIO }));

describe.runIf(hasPowerRig())('a disk that fails and loses its power', () => {
  it('at the sync of a commit: its outcome is unknown, nothing accepted is lost', async () => {
    for (const seed of seeds) {
      const order = { what: 'sync', suffix: '-wal', errno: EIO, skip: seed, times: seed } as const;
      const facts = await fail({ order, seed, refuses: true });
      const failedSyncs = failures(seed, 'outbox.db-wal');
      const told = { codes: ['OUTCOME_UNKNOWN'], failedSyncs };
      expect(facts, `seed ${seed}`).toEqual({ ...whole, ...told });
    }
  });

  it('for want of room in a commit: it is refused, nothing accepted is lost', async () => {
    for (const seed of seeds) {
      const room = { what: 'write', suffix: '-wal', errno: ENOSPC } as const;
      const order = { ...room, skip: seed, times: seed };
      const facts = await fail({ order, seed, refuses: true });
      const told = { codes: ['OUTBOX_FULL'], failedSyncs: [] };
      expect(facts, `seed ${seed}`).toEqual({ ...whole, ...told });
    }
  });

  it('at the sync of a checkpoint: nobody is told, nothing accepted is lost', async () => {
    for (const seed of seeds) {
      const order = { what: 'sync', suffix: 'outbox.db', errno: EIO, times: seed } as const;
      const facts = await fail({ order, seed, refuses: false });
      const told = { codes: [], failedSyncs: failures(seed, 'outbox.db') };
      expect(facts, `seed ${seed}`).toEqual({ ...whole, ...told });
    }
  });
});

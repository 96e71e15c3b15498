/** A disk that fails a sync or has no room at some moment, and then loses its power. */
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { hasPowerRig } from '../support/platform.ts';
import { Account } from '../support/power/account.ts';
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

/** Ids that the file has, as who opens it next finds them. */
function stored(path: string): Set<string> {
  const db = new Database(path);
  try {
    return new Set(db.prepare('SELECT id FROM outbox_events').pluck().all() as string[]);
  } finally {
    db.close();
  }
}

interface Plan {
  readonly order: Order;
  readonly seed: number;
  /** Whether the writer is told of it, and events accepted afterwards, as many as these. */
  readonly refuses: boolean;
  readonly after: number;
}

/** The fault, more events, the power cut; what the file is like then, and what was refused. */
async function fail({ order, seed, refuses, after }: Plan) {
  const power = new Power();
  try {
    const account = new Account('orders');
    const writer = startWriter(power);
    await acceptMore(writer, 50);
    writer.order(order);
    if (refuses) await until('a refusal', () => linesWith('refused', writer) > 0);
    await acceptMore(writer, after);
    await power.cut(new Random(seed));
    account.take(writer.child.lines);
    const { integrity, lastSeq } = power.look();
    const ids = stored(power.db);
    const missing = account.accepted.filter(({ id }) => !ids.has(id)).length;
    const rewound = lastSeq < account.lastSeq;
    return { integrity, rewound, missing, codes: [...new Set(account.refused.values())] };
  } finally {
    await power.close();
  }
}

const whole = { integrity: 'ok', rewound: false, missing: 0 };

describe.runIf(hasPowerRig())('a disk that fails and loses its power', () => {
  it('at the sync of a commit: its outcome is unknown, nothing accepted is lost', async () => {
    for (const seed of seeds) {
      const order = { what: 'sync', suffix: '-wal', errno: EIO, skip: seed, times: seed } as const;
      const facts = await fail({ order, seed, refuses: true, after: 60 });
      expect(facts, `seed ${seed}`).toEqual({ ...whole, codes: ['OUTCOME_UNKNOWN'] });
    }
  });

  it('for want of room in a commit: it is refused, nothing accepted is lost', async () => {
    for (const seed of seeds) {
      const room = { what: 'write', suffix: '-wal', errno: ENOSPC } as const;
      const order = { ...room, skip: seed, times: seed };
      const facts = await fail({ order, seed, refuses: true, after: 60 });
      expect(facts, `seed ${seed}`).toEqual({ ...whole, codes: ['OUTBOX_FULL'] });
    }
  });

  it('at the sync of a checkpoint: nobody is told, nothing accepted is lost', async () => {
    for (const seed of seeds) {
      const order = { what: 'sync', suffix: 'outbox.db', errno: EIO, times: seed } as const;
      const facts = await fail({ order, seed, refuses: false, after: 1_500 });
      expect(facts, `seed ${seed}`).toEqual({ ...whole, codes: [] });
    }
  });
});

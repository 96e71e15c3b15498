/**
 * Random histories on a real file: what pruning may never take, and a seq that never comes back.
 * A failure prints the seed and the path; given to `fc.assert` beside `numRuns`, they replay it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import { FakeClock } from '../support/clock.ts';
import { encodedEvent } from '../support/encoded.ts';

const lanes = 3;

type Step =
  | { readonly do: 'append'; readonly key: number; readonly atMs: number }
  | { readonly do: 'settle'; readonly lane: number; readonly count: number }
  | { readonly do: 'hold'; readonly nth: number }
  | { readonly do: 'leap' }
  | { readonly do: 'prune'; readonly beforeMs: number; readonly rows: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('append' as const),
    key: fc.nat({ max: 9 }),
    atMs: fc.nat({ max: 9 }),
  }),
  fc.record({
    do: fc.constant('settle' as const),
    lane: fc.nat({ max: lanes - 1 }),
    count: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({ do: fc.constant('hold' as const), nth: fc.nat({ max: 9 }) }),
  fc.constant({ do: 'leap' as const }),
  fc.record({
    do: fc.constant('prune' as const),
    beforeMs: fc.nat({ max: 12 }),
    rows: fc.integer({ min: 1, max: 10 }),
  }),
);

interface Row {
  readonly seq: number;
  readonly lane: number;
  readonly atMs: number;
}

/** One outbox in a folder of its own, and the model of what must be in it. */
class History {
  readonly #folder = mkdtempSync(join(tmpdir(), 'outbox-pruning-'));
  readonly #opened = openSqliteOutbox(
    { path: join(this.#folder, 'outbox.db') },
    { clock: new FakeClock(), schema: 'auto', lanes },
  );
  readonly #store = this.#opened.openStore();
  readonly #db = new Database(this.#opened.path);
  readonly #delivered = new Set<number>();
  readonly #held = new Set<number>();
  #last = 0;

  #mayGo(seq: number): boolean {
    return this.#delivered.has(seq) && !this.#held.has(seq);
  }

  rows(): Row[] {
    const sql = 'SELECT seq, lane, created_at AS atMs FROM outbox_events ORDER BY seq';
    return this.#db.prepare(sql).all() as Row[];
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'append') return this.append(step.key, step.atMs);
    if (step.do === 'settle') return this.#settle(step.lane, step.count);
    if (step.do === 'hold') return this.#hold(step.nth);
    if (step.do === 'leap') return this.#leap();
    return this.#prune(step.beforeMs, step.rows);
  }

  append(key: number, createdAtMs: number): void {
    const event = encodedEvent({ key: Buffer.from(String(key)), createdAtMs });
    const [result] = this.#opened.appender.append([event]);
    expect(result?.seq).toBeGreaterThan(this.#last);
    this.#last = result?.seq ?? 0;
  }

  async #settle(lane: number, count: number): Promise<void> {
    const { cursor, fence } = this.#store.readLane(lane);
    const bounds = { events: count, bytes: 1_000_000 };
    const batch = this.#store.readBatch(lane, cursor, bounds);
    const lastSeq = batch.at(-1)?.seq;
    const lease = await this.#store.claimLane(lane, 'relay', fence);
    if (lastSeq === undefined || lease === null) return;
    const settlement = { cursor: lastSeq, delivered: batch.length, via: 'job' } as const;
    expect(await this.#store.settle(lease, settlement)).toBe(true);
    for (const { seq } of batch) this.#delivered.add(seq);
  }

  #hold(nth: number): void {
    const row = this.rows()[nth];
    if (row === undefined) return;
    const held =
      "INSERT OR IGNORE INTO outbox_held (seq, lane, topic, state) VALUES (?, ?, 't', ?)";
    this.#db.prepare(held).run(row.seq, row.lane, 'dead');
    this.#held.add(row.seq);
  }

  /** Puts the lanes so far behind that they are pruned one by one. */
  #leap(): void {
    const leap = "UPDATE sqlite_sequence SET seq = seq + 200000 WHERE name = 'outbox_events'";
    this.#db.prepare(leap).run();
  }

  async #prune(beforeMs: number, rows: number): Promise<void> {
    await this.pruneOnce(beforeMs, rows);
    // Held events are stepped over, a bounded number at a time: two rounds see everything.
    for (let left = this.rows().length * 2 + 4; left > 0; left -= 1) {
      await this.pruneOnce(beforeMs, rows);
    }
    const all = this.rows();
    const pending = all.find(({ seq }) => !this.#delivered.has(seq))?.seq ?? Infinity;
    const far = this.#store.summary().accepted - pending > 100_000;
    expect(
      this.#overdue(
        all.filter(({ seq }) => seq < pending),
        beforeMs,
      ),
    ).toEqual([]);
    if (!far) return;
    for (let lane = 0; lane < lanes; lane += 1) {
      expect(
        this.#overdue(
          all.filter((row) => row.lane === lane),
          beforeMs,
        ),
      ).toEqual([]);
    }
  }

  /** Events that should have gone: the old ones before the first that is too young. */
  #overdue(rows: readonly Row[], beforeMs: number): Row[] {
    const mayGo = rows.filter(({ seq }) => this.#mayGo(seq));
    const young = mayGo.findIndex(({ atMs }) => atMs >= beforeMs);
    return young < 0 ? mayGo : mayGo.slice(0, young);
  }

  async pruneOnce(beforeMs: number, rows: number): Promise<void> {
    const before = this.rows();
    const deleted = await this.#store.prune(beforeMs, rows);
    const left = this.rows();
    const gone = before.filter(({ seq }) => !left.some((row) => row.seq === seq));
    const mayGo = ({ seq, atMs }: Row) => this.#mayGo(seq) && atMs < beforeMs;
    expect(gone.filter((row) => !mayGo(row))).toEqual([]);
    expect(gone).toHaveLength(deleted);
    expect(deleted).toBeLessThanOrEqual(rows);
  }

  async deliverAll(): Promise<void> {
    for (let lane = 0; lane < lanes; lane += 1) await this.#settle(lane, 1_000);
  }

  /** Everything is delivered and everything that may go is pruned; then life goes on. */
  async end(): Promise<void> {
    await this.deliverAll();
    await this.#prune(1_000, 1_000);
    this.append(0, 0);
  }

  close(): void {
    this.#store.close();
    this.#db.close();
    this.#opened.close();
    rmSync(this.#folder, { recursive: true });
  }
}

it('pruning takes delivered, old, unheld events only, and no seq comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const history = new History();
      try {
        for (const one of steps) await history.take(one);
        await history.end();
      } finally {
        history.close();
      }
    }),
    { numRuns: 100 },
  );
}, 60_000);

it('pruning ends at the first young event, and steps over those of a clock ahead', async () => {
  const history = new History();
  try {
    const now = new FakeClock().now();
    for (const atMs of [now + 60_000, now + 60_000, 1, 50, 2]) history.append(0, atMs);
    await history.deliverAll();
    await history.pruneOnce(10, 2);
    await history.pruneOnce(10, 2);
    await history.pruneOnce(10, 2);
    expect(history.rows().map(({ atMs }) => atMs)).toEqual([now + 60_000, now + 60_000, 50, 2]);
  } finally {
    history.close();
  }
});

it('where delivered events are is kept as long as one of them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-ledger-'));
  const clock = new FakeClock();
  const how = { clock, schema: 'auto', lanes: 1 } as const;
  const outbox = openSqliteOutbox({ path: join(folder, 'outbox.db') }, how);
  const store = outbox.openStore();
  const operator = outbox.openOperator();
  try {
    const event = (createdAtMs: number) => encodedEvent({ topic: 'orders', createdAtMs });
    outbox.appender.append([event(clock.now() + 60_000), event(clock.now() + 60_000)]);
    const lease = await store.claimLane(0, 'owner', 0);
    if (lease === null) throw new Error('nobody else is there');
    const entry = { topic: 'orders', partition: 0, firstSeq: 1, lastSeq: 2, events: 2 };
    const ledger = [{ ...entry, firstOffset: 7 }];
    await store.settle(lease, { cursor: 2, delivered: 2, via: 'sweep', ledger });
    await clock.advance(10_000);
    await store.prune(clock.now(), 100); // delivered before that, and written after it
    expect(operator.ledger(null)).toHaveLength(1);
    await clock.advance(60_000);
    // A round looks anew at what an earlier one has stepped over.
    for (let round = 0; round < 3; round += 1) await store.prune(clock.now(), 100);
    expect(operator.ledger(null)).toEqual([]);
  } finally {
    operator.close();
    store.close();
    outbox.close();
    rmSync(folder, { recursive: true });
  }
});

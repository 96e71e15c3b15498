/** Held events behind a stop cost the others nothing: as many statements with them as without. */
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RelayBench } from '../../support/relay-bench.ts';

const calls = ['run', 'get', 'all', 'iterate'] as const;
const prepare = Database.prototype.prepare;
let statements = 0;

/** Every statement that is run from now on, by whatever connection of this process. */
beforeEach(() => {
  Database.prototype.prepare = function (this: Database.Database, sql: string) {
    const statement = prepare.call(this, sql);
    for (const name of calls) {
      const call = statement[name].bind(statement) as (...given: unknown[]) => unknown;
      Object.defineProperty(statement, name, {
        value: (...given: unknown[]) => {
          statements += 1;
          return call(...given);
        },
      });
    }
    return statement;
  } as typeof prepare;
});
afterEach(() => {
  Database.prototype.prepare = prepare;
});

/** Statements that draining a hundred batches takes. */
async function statementsOf(held: number): Promise<number> {
  const bench = new RelayBench({ batchEvents: 5 });
  if (held > 0) {
    bench.appendKeyed('refused', ...Array.from({ length: held }, (_, index) => `k${index}:v`));
    bench.sql(`INSERT INTO outbox_held (seq, lane, topic, order_key, state)
      SELECT seq, lane, topic, key, 'blocked' FROM outbox_events`);
    bench.sql(`INSERT INTO outbox_stops (lane, topic, code, message, since, next_attempt_at)
      VALUES (0, 'refused', 'TOPIC_AUTHORIZATION_FAILED', '', 0, ${bench.clock.now() + 20_000})`);
    bench.sql(`UPDATE outbox_lanes SET cursor = ${held}, held = ${held}`);
  }
  bench.appendKeyed('orders', ...Array.from({ length: 500 }, (_, index) => `k${index % 7}:v`));
  let between = 0;
  let batches = 0;
  bench.onStep = (step) => {
    if (step !== 'settled') return;
    batches += 1;
    if (batches === 1) statements = 0; // what is read once has been read
    if (batches === 100) between = statements;
  };
  await bench.core.start();
  await bench.clock.advance(1_000);
  expect(bench.written('orders')).toHaveLength(500);
  expect(bench.store.summary().held).toBe(held);
  await bench.stop();
  return between;
}

it('a batch takes as many statements beside 20,000 held events as beside none', async () => {
  const without = await statementsOf(0);
  expect(without).toBeGreaterThan(99); // they were counted
  expect(await statementsOf(20_000)).toBe(without);
});

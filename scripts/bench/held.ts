/** What held events behind a refused topic cost the others: a drain with and without them. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openOutbox } from '../../src/index.ts';
import { alternate, type DrainPlan, drainFrom, fill } from './drain.ts';
import { type Measure, measure, ratioOf } from './statistics.ts';

export interface HeldCost {
  readonly held: number;
  readonly backlog: number;
  readonly withPerSecond: Measure;
  readonly withoutPerSecond: Measure;
  /** with ÷ without */
  readonly ratio: Measure;
}

/** @param held events behind one refused topic */
export async function measureHeld(held: number, plan: DrainPlan & { backlog: number }) {
  const { backlog, folder } = plan;
  const template = join(folder, 'template-held.db');
  await fillHeld(template, held);
  await fill(template, backlog);
  const plain = join(folder, 'template-plain.db');
  await fill(plain, backlog);
  const without = { name: 'without', drain: () => drainFrom(plain, backlog, plan) };
  const sides = await alternate(backlog, without, { ...plan, template });
  const cost: HeldCost = {
    held,
    backlog,
    withPerSecond: measure(sides.ours),
    withoutPerSecond: measure(sides.others),
    ratio: ratioOf(sides.ours, sides.others),
  };
  return cost;
}

/** As a relay leaves them: in the log below the cursors, held, behind a stop of each lane. */
async function fillHeld(path: string, held: number): Promise<void> {
  const outbox = openOutbox({ path });
  const value = Buffer.alloc(512, 'x');
  for (let from = 0; from < held; from += 10_000) {
    const group = Array.from({ length: Math.min(10_000, held - from) }, (_, index) => {
      return { topic: 'refused', key: `key-${(from + index) % 1_000}`, value };
    });
    outbox.enqueueMany(group);
  }
  await outbox.close();
  const db = new Database(path);
  db.exec(`
    BEGIN;
    INSERT INTO outbox_held (seq, lane, topic, order_key, state)
      SELECT seq, lane, topic, key, 'blocked' FROM outbox_events;
    UPDATE outbox_lanes SET
      cursor = (SELECT max(seq) FROM outbox_events),
      held = (SELECT count(*) FROM outbox_held AS h WHERE h.lane = outbox_lanes.lane);
    INSERT INTO outbox_stops (lane, topic, code, message, since, next_attempt_at)
      SELECT lane, 'refused', 'TOPIC_AUTHORIZATION_FAILED', '', 0, 9e15 FROM outbox_lanes;
    COMMIT;`);
  db.close();
}

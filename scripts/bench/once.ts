/** What transactions cost: a drain with `delivery: 'exactly-once'` beside a plain one. */
import { join } from 'node:path';
import { alternate, type DrainPlan, drainFrom, fill } from './drain.ts';
import { type Measure, measure, ratioOf } from './statistics.ts';

export interface OnceCost {
  readonly backlog: number;
  readonly oncePerSecond: Measure;
  readonly plainPerSecond: Measure;
  /** exactly once ÷ at least once */
  readonly ratio: Measure;
}

/** Both in the relay's own batches, of at most 1,000 events. */
export async function measureOnce(backlog: number, plan: DrainPlan): Promise<OnceCost> {
  const template = join(plan.folder, 'template-plain.db');
  await fill(template, backlog);
  const plain = { name: 'at least once', drain: () => drainFrom(template, backlog, plan) };
  const sides = await alternate(backlog, plain, { ...plan, delivery: 'exactly-once' });
  return {
    backlog,
    oncePerSecond: measure(sides.ours),
    plainPerSecond: measure(sides.others),
    ratio: ratioOf(sides.ours, sides.others),
  };
}

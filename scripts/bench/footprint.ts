/** What a large backlog costs: memory of the relay, and the file before, at most, and after. */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openOutbox, openStatus } from '../../src/index.ts';
import { rawEvent } from './events.ts';
import { RelayProcess } from './relay-process.ts';
import type { Services } from './services.ts';

export interface FootprintPlan {
  readonly folder: string;
  readonly services: Services;
  readonly events: number;
}

export interface Footprint {
  readonly events: number;
  /** Peak memory of a relay that drains this backlog, less that of one that drains 1,000. */
  readonly memoryGrowthBytes: number;
  /** The same with Node's young generation kept small (`youngFlag`). */
  readonly memoryGrowthSmallYoungBytes: number;
  /** Less that of one that drains 20,000, which fill every lane's batches: the backlog's part. */
  readonly memoryGrowthOfBacklogBytes: number;
  readonly memoryPeakBytes: number;
  /** File and WAL: with the backlog, at most while it drained, and when all was pruned. */
  readonly fileBytes: { readonly before: number; readonly peak: number; readonly after: number };
}

const topic = 'footprint';
const smallBacklog = 1_000;
const busyBacklog = 20_000;
/** Most of what a busy relay takes is room that V8 gives its young generation, not our data. */
export const youngFlag = '--max-semi-space-size=2';

export async function measureFootprint(plan: FootprintPlan): Promise<Footprint> {
  await plan.services.kafka.createTopic(topic);
  const small = await drain(plan, smallBacklog);
  const busy = await drain(plan, busyBacklog);
  const large = await drain(plan, plan.events);
  const smallYoung = await drain(plan, smallBacklog, [youngFlag]);
  const largeYoung = await drain(plan, plan.events, [youngFlag]);
  return {
    events: plan.events,
    memoryGrowthBytes: large.memoryPeakBytes - small.memoryPeakBytes,
    memoryGrowthSmallYoungBytes: largeYoung.memoryPeakBytes - smallYoung.memoryPeakBytes,
    memoryGrowthOfBacklogBytes: large.memoryPeakBytes - busy.memoryPeakBytes,
    memoryPeakBytes: large.memoryPeakBytes,
    fileBytes: large.fileBytes,
  };
}

async function drain(
  { folder, services }: FootprintPlan,
  events: number,
  nodeFlags: readonly string[] = [],
) {
  const path = join(folder, `footprint-${events}.db`);
  const outbox = openOutbox({ path });
  for (let from = 0; from < events; from += 1_000) {
    outbox.enqueueMany(
      Array.from({ length: 1_000 }, (_, index) => ({ topic, ...rawEvent(from + index) })),
    );
  }
  await outbox.close();
  const before = sizeOf(path);
  let peak = before;
  const relay = await RelayProcess.start(path, services, { nodeFlags, more: ['--retention', '0'] });
  const status = openStatus(path);
  try {
    let after = Number.POSITIVE_INFINITY;
    let memoryPeakBytes = 0;
    for (let calm = 0; calm < 5; ) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const now = sizeOf(path);
      peak = Math.max(peak, now);
      memoryPeakBytes = relay.memory().peak;
      // Over when nothing is pending and the file has stopped shrinking.
      calm = status.read().pending === 0 && now >= after ? calm + 1 : 0;
      after = now;
    }
    return { memoryPeakBytes, fileBytes: { before, peak, after } };
  } finally {
    status.close();
    await relay.stop();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  }
}

function sizeOf(path: string): number {
  return ['', '-wal'].reduce((sum, suffix) => {
    return sum + (statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0);
  }, 0);
}

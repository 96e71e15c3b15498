/** What a repair came to, as it is told. Pure. */
import type { RepairFacts } from '../outbox/integrity.ts';

export type { RepairFacts } from '../outbox/integrity.ts';

/** The JSON of `outbox-relay repair --json`. */
export interface RepairReport {
  readonly path: string;
  readonly result: 'repaired' | 'nothing-to-do';
  readonly dryRun: boolean;
  /** Where the old file is now, or would be; its log, if it had one, is beside it. */
  readonly damagedPath: string | null;
  /** Whether all that was in the file is in the new one. */
  readonly complete: boolean;
  /** `null` when there was nothing to do. */
  readonly facts: RepairFacts | null;
}

interface Outcome {
  readonly path: string;
  readonly facts: RepairFacts | null;
  readonly damagedPath: string | null;
}

export function reportOf({ path, facts, damagedPath }: Outcome, dryRun: boolean): RepairReport {
  const result = facts === null ? 'nothing-to-do' : 'repaired';
  return { path, result, dryRun, damagedPath, complete: isComplete(facts), facts };
}

/** Delivered events and what is counted anew do not matter; everything else that is lost does. */
function isComplete(facts: RepairFacts | null): boolean {
  if (facts === null) return true;
  const { events, tables, objectsLost, log } = facts;
  const others = tables.filter(({ table }) => table !== 'outbox_events');
  return (
    events.lost === 0 &&
    events.lostExact &&
    log.suspect === 0 &&
    objectsLost.length === 0 &&
    others.every(({ lost }) => lost === 0)
  );
}

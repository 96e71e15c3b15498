/**
 * Which lanes a relay owned when something was done to it: a kill or a freeze of one that owns none
 * meets nothing.
 */
import Database from 'better-sqlite3';

interface Said {
  readonly event: string;
  readonly lane?: number;
}

/** By the lines of relay-child.ts, of its latest start. */
export function lanesOwned(lines: readonly string[]): ReadonlySet<number> {
  const owned = new Set<number>();
  for (const { event, lane } of lines.filter((line) => line.startsWith('{')).map(parse)) {
    if (event === 'started') owned.clear();
    if (lane === undefined) continue;
    if (event === 'claimed') owned.add(lane);
    if (event === 'released' || event === 'leaseLost') owned.delete(lane);
  }
  return owned;
}

/** Whether it has taken a lane of another one, which is gone or beyond its lease. */
export const hasTaken = (lines: readonly string[]): boolean =>
  lines.some((line) => line.includes('"leaseTaken"'));

const parse = (line: string) => JSON.parse(line) as Said;

/** Lanes that a relay owns, and that have something to send. */
export function isUnderWay(db: string, owned: ReadonlySet<number>): boolean {
  const file = new Database(db, { readonly: true });
  try {
    const text = `SELECT DISTINCT e.lane FROM outbox_events e
      JOIN outbox_lanes l ON l.lane = e.lane WHERE e.seq > l.cursor`;
    const lanes = file.prepare(text).pluck().all() as number[];
    return lanes.some((lane) => owned.has(lane));
  } finally {
    file.close();
  }
}

const freezesMax = 20;

export interface Freezable {
  freeze(): Promise<unknown>;
  thaw(): Promise<unknown>;
}

/** One that is frozen inside a commit keeps everybody from writing, which is SQLite's way. */
export async function freezeBetweenCommits(db: string, relay: Freezable): Promise<void> {
  for (let tries = 0; tries < freezesMax; tries += 1) {
    await relay.freeze();
    if (canWrite(db)) return;
    await relay.thaw();
  }
  throw new Error(`frozen inside a commit, ${freezesMax} times`);
}

function canWrite(db: string): boolean {
  const file = new Database(db, { timeout: 1_000 }); // the other relay's commits take less
  try {
    file.exec('BEGIN IMMEDIATE; ROLLBACK');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return false;
    throw error;
  } finally {
    file.close();
  }
}

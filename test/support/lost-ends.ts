/**
 * Ends of transactions that a broker has lost, by its own log. Started again after a kill, it may
 * take the partitions of a prepared transaction for deleted, and note it as complete without having
 * written a marker: docs/guarantees.md, the limits of exactly once. Seen with Kafka 4.3.1.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ServiceContainer } from '../../src/testing/container.ts';

const tried = /Sending txn markers for \w+\(([^,]+),/;
const skipped = /Couldn't find leader endpoint for partitions .* markers for ([^,]+), these/;
const opened = /Initialized transactionalId (\S+) with producerId/;

/** Lost is what was skipped and not tried again before the next transaction of its id. */
export function lostEnds(log: string): number {
  const open = new Set<string>();
  let lost = 0;
  for (const line of log.split('\n')) {
    const skip = skipped.exec(line)?.[1];
    if (skip !== undefined) open.add(skip);
    const again = tried.exec(line)?.[1];
    if (again !== undefined) open.delete(again);
    const next = opened.exec(line)?.[1];
    if (next !== undefined && open.delete(next)) lost += 1;
  }
  return lost;
}

/** Of all its starts: so often a relay had to end a transaction in its place. */
export async function endsLostBy({ id }: ServiceContainer): Promise<number> {
  const { stdout } = await promisify(execFile)('docker', ['logs', id], { maxBuffer: 2 ** 30 });
  return lostEnds(stdout);
}

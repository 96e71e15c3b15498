/**
 * Power cuts under a writer and a relay. `FAULT_FORM=full` makes more and longer ones;
 * `FAULT_SEED` replays a run; `FAULT_REPORT` names a file that gets the figures, a line a run.
 */
import { randomInt } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaBroker } from '../support/kafka.ts';
import { PowerRun, type RunOptions, type RunReport } from '../support/power/run.ts';

const full = process.env['FAULT_FORM'] === 'full';
const first = Number(process.env['FAULT_SEED'] ?? randomInt(1_000_000));
const seeds = (count: number) => Array.from({ length: count }, (_, index) => first + index);

let kafka: KafkaBroker;
beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());

async function run(options: RunOptions): Promise<RunReport> {
  const report = await new PowerRun(kafka, options).run();
  const line = JSON.stringify({ test: 'power loss', ...report });
  process.stdout.write(`${line}\n`);
  const file = process.env['FAULT_REPORT'];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
  return report;
}

describe('a power cut', () => {
  it.each(seeds(full ? 4 : 1))(
    'loses and reorders nothing that was accepted (seed %i)',
    async (seed) => {
      const cuts = full ? 15 : 10;
      const report = await run({ seed, how: 'library', cuts });
      expect(report).toMatchObject({ lost: 0, reordered: 0, mismatched: 0, unissued: 0 });
      expect(report).toMatchObject({ cutsCounted: cuts, damage: [] });
      expect(report.dropped + report.torn).toBeGreaterThan(0);
    },
  );

  // The mutant: what shows that the cuts would see a loss.
  it.each(seeds(full ? 10 : 3))('loses events that were not synced (seed %i)', async (seed) => {
    const report = await run({ seed, how: 'unsynced', cuts: 5 });
    expect(report.lost).toBeGreaterThan(0);
  });
});

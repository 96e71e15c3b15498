/**
 * Power cuts under a writer and a relay. `FAULT_FORM=full` makes more of them; `FAULT_SEED` is the
 * first seed, to replay a run; `FAULT_REPORT` names a file that gets the figures, a line a run.
 */
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaBroker } from '../support/kafka.ts';
import { hasPowerRig } from '../support/platform.ts';
import { errnos } from '../support/power/power.ts';
import { PowerRun, type RunOptions, type RunReport } from '../support/power/run.ts';
import { isFull as full, report as tell } from './form.ts';

const seedsMax = 1_000_000;
const first = Number(process.env['FAULT_SEED'] ?? randomInt(seedsMax));
const seeds = (count: number) => Array.from({ length: count }, (_, index) => first + index);

let kafka: KafkaBroker;

async function run(options: RunOptions): Promise<RunReport> {
  const { seed, how, delivery = 'at-least-once' } = options;
  process.stdout.write(`power cuts with FAULT_SEED=${seed} (${how}, ${delivery})\n`);
  const report = await new PowerRun(kafka, options).run();
  tell('power cuts', { ...report });
  return report;
}

const toldMax = 6;
const nothing = { lost: 0, reordered: 0, mismatched: 0, unissued: 0, damage: [] };

describe.runIf(hasPowerRig())('a power cut', () => {
  beforeAll(async () => {
    kafka = await KafkaBroker.start();
  });
  afterAll(() => kafka?.stop());

  it('loses and reorders nothing that was accepted', async () => {
    const cuts = full ? 15 : 4;
    for (const seed of seeds(full ? 4 : 1)) {
      const report = await run({ seed, how: 'library', cuts });
      expect(report).toMatchObject({ ...nothing, cutsCounted: cuts });
      expect(report.dropped + report.torn).toBeGreaterThan(0);
    }
  });

  it('loses, repeats and reorders nothing with exactly-once', async () => {
    const cuts = full ? 20 : 3;
    const report = await run({ seed: first, how: 'library', delivery: 'exactly-once', cuts });
    expect(report).toMatchObject({ ...nothing, duplicated: 0, cutsCounted: cuts });
  });

  it('loses nothing either after a relay met a failed sync', async () => {
    const relayMeets = { what: 'sync', errno: errnos.EIO, times: 3 } as const;
    const cuts = full ? 10 : 2;
    const report = await run({ seed: first, how: 'library', cuts, relayMeets });
    expect(report).toMatchObject({ ...nothing, cutsCounted: cuts });
  });

  // The mutant's control: it differs in that pragma alone.
  it('loses nothing when the same writer has synchronous=FULL', async () => {
    const cuts = full ? 10 : 3;
    const report = await run({ seed: first, how: 'raw', cuts });
    expect(report).toMatchObject({ ...nothing, cutsCounted: cuts });
  });

  // The mutant: it shows that these cuts would see a loss.
  it('loses events whose writer has synchronous=OFF', async () => {
    for (const seed of seeds(10)) {
      // Ends when the file has lost something: the relay syncs too, and now and then in time. It
      // may also have delivered what is missing; then another story is told.
      let lost = 0;
      for (let told = 0; lost === 0 && told < toldMax; told += 1) {
        ({ lost } = await run({ seed: seed + told * seedsMax, how: 'unsynced', cuts: 20 }));
      }
      expect(lost, `seed ${seed}`).toBeGreaterThan(0);
    }
  });
});

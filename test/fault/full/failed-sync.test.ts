/** Power cuts after syncs of a relay have failed; see docs/reliability.md for what is open here. */
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaBroker } from '../../support/kafka.ts';
import { hasPowerRig } from '../../support/platform.ts';
import { errnos } from '../../support/power/power.ts';
import { PowerRun } from '../../support/power/run.ts';
import { report } from '../form.ts';

const seed = Number(process.env['FAULT_SEED'] ?? randomInt(1_000_000));
const cuts = 10;
const nothing = { lost: 0, reordered: 0, mismatched: 0, unissued: 0, damage: [] };

let kafka: KafkaBroker;

describe.runIf(hasPowerRig())('a power cut after a failed sync', () => {
  beforeAll(async () => {
    kafka = await KafkaBroker.start();
  });
  afterAll(() => kafka?.stop());

  it('of a relay loses nothing either', async () => {
    const relayMeets = { what: 'sync', errno: errnos.EIO, times: 3 } as const;
    const figures = await new PowerRun(kafka, { seed, how: 'library', cuts, relayMeets }).run();
    report('power cuts', { ...figures });
    expect(figures).toMatchObject({ ...nothing, cutsCounted: cuts });
  });
});

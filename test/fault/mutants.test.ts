/** What a checker that sees nothing would let pass: each mutant is caught with every seed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Findings } from '../../src/testing/checker.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { Scene } from '../support/scene.ts';
import { Chance, report } from './form.ts';
import { type Mutant, mutants } from './mutants.ts';

const seeds = 10;
/** At once, on a machine with two cores. */
const atOnce = 5;

let kafka: KafkaBroker;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());

async function findingsOf(mutant: Mutant, chance: Chance, mutated: boolean): Promise<Findings> {
  const scene = new Scene(mutant.lanes ?? 2);
  try {
    await kafka.createTopic(scene.topic);
    scene.enqueue(1); // makes the outbox, with its lanes
    await mutant.run({ kafka, scene, chance, mutated });
    return scene.check(await kafka.consume(scene.topic, 'end'));
  } finally {
    await scene.close();
  }
}

/** Runs the story so often, some at once. */
async function repeat(mutant: Mutant, mutated: boolean, times: number): Promise<Findings[]> {
  const found: Findings[] = [];
  while (found.length < times) {
    const batch = Array.from({ length: Math.min(atOnce, times - found.length) }, (_, index) => {
      const chance = new Chance(`${mutant.name} ${mutated} ${found.length + index}`);
      return findingsOf(mutant, chance, mutated);
    });
    found.push(...(await Promise.all(batch)));
  }
  return found;
}

describe.each(mutants)('$name', (mutant) => {
  it('is caught with every seed', { timeout: 300_000 }, async () => {
    const found = await repeat(mutant, true, seeds);
    const caught = found.filter((findings) => mutant.isCaught(findings)).length;
    report('mutants', { mutant: mutant.name, seeds, caught });
    expect(found.filter((findings) => !mutant.isCaught(findings))).toEqual([]);
  });

  it('and the sound one passes the same story', { timeout: 300_000 }, async () => {
    const [findings] = await repeat(mutant, false, 1);
    expect(findings).toMatchObject({ lost: 0, reordered: 0, mismatched: 0, unissued: 0 });
    expect(mutant.isCaught(findings as Findings)).toBe(false);
  });
});

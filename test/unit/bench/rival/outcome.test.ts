import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { outcomeOf, type Rival } from '../../../../scripts/bench/rival/measure.ts';
import { NoRival } from '../../../../scripts/bench/rival/postgres.ts';

const figures = { package: 'rival 1.0.0' } as Rival;

/** What came of it, and what was said meanwhile. */
async function outcome(measure: () => Promise<Rival>, strays = new EventEmitter()) {
  const told: string[] = [];
  const found = await outcomeOf(measure, (text) => told.push(text), strays);
  return { ...found, told, strays };
}

describe('a rival', () => {
  it('that was measured has its figures, and leaves nobody listening', async () => {
    const { rival, rivalAbsence, told, strays } = await outcome(async () => figures);
    expect({ rival, rivalAbsence, told }).toEqual({ rival: figures, rivalAbsence: null, told: [] });
    expect(strays.eventNames()).toEqual([]);
  });

  it.each([
    ['is not there', new NoRival('no PostgreSQL server'), 'no PostgreSQL server'],
    ['meets a broker that does not come back', new Error('Kafka is not back'), 'Kafka is not back'],
    ['fails at every address', new AggregateError([]), 'AggregateError'],
    ['throws something else', 'text', 'text'],
  ])('that %s is absent: the other figures are reported', async (_, thrown, reason) => {
    const found = await outcome(() => Promise.reject(thrown));
    expect(found).toMatchObject({ rival: null, rivalAbsence: reason });
    expect(found.told).toEqual([`without pg-transactional-outbox: ${reason}`]);
  });

  it.each(['unhandledRejection', 'uncaughtException'])(
    'that leaves an %s behind is absent, too, however often',
    async (name) => {
      const strays = new EventEmitter();
      const found = outcome(() => new Promise<never>(() => {}), strays);
      strays.emit(name, new Error('Client was closed'));
      expect(await found).toMatchObject({ rival: null, rivalAbsence: 'Client was closed' });
      expect(strays.emit(name, new Error('and another'))).toBe(true); // or it would end the process
    },
  );
});

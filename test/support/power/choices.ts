/** When the power goes: by the run's seed and the number of the cut, whatever was before. */
import { Random } from '../random.ts';
import type { Order } from './power.ts';

export interface Choices {
  /** So many events are accepted in this life before anything is ordered. */
  readonly accepted: number;
  readonly dies: 'writer' | 'relay';
  /** `null`: both are killed by hand, wherever they are. */
  readonly order: Order | null;
}

/** @param syncs whether the writer does: else it cannot be waited for at a sync */
export function choicesOf(seed: number, cut: number, { syncs = true } = {}): Choices {
  const random = new Random(seed, `choices of cut ${cut}`);
  const accepted = random.between(40, 400);
  const dies = random.oneOf(['writer', 'writer', 'relay'] as const);
  const how = random.next();
  if (how < 0.1) return { accepted, dies, order: null };
  // Whoever dies just before a sync has written what it would have confirmed.
  if (how < 0.6 && (syncs || dies === 'relay')) {
    return { accepted, dies, order: { what: 'cutSync', skip: random.between(0, 10) } };
  }
  return { accepted, dies, order: { what: 'cut', skip: random.between(0, 40) } };
}

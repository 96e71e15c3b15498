/** What a batch leaves out: it is set aside when the cursor passes it. */
import type { Hold } from '../outbox/held.ts';
import type { Batch, BlockedEvent, RecordFault } from './batch.ts';
import { Holds } from './holds.ts';
import type { LaneParts } from './lane-parts.ts';
import { refuse } from './refusal.ts';

type Left = Pick<Batch, 'blocked' | 'faults'>;

export class LeftOut {
  readonly #lane: number;
  readonly #parts: LaneParts;

  constructor(lane: number, parts: LaneParts) {
    this.#lane = lane;
    this.#parts = parts;
  }

  holdsOf({ blocked, faults }: Left): Hold[] {
    return [...blocked.map(toHold), ...faults.map((fault) => this.#refuse(fault))];
  }

  tell(faults: readonly RecordFault[], holds: readonly Hold[]): void {
    const { emitter } = this.#parts;
    const lane = this.#lane;
    for (const { event, code, message } of faults) {
      const dead = holds.find(({ seq }) => seq === event.seq)?.refusal?.dead === true;
      const { seq, topic } = event;
      emitter.emit('refused', { lane, seq, topic, code, message, attempts: 1, dead });
    }
  }

  #refuse({ event, code, message, mayDie = true }: RecordFault): Hold {
    const { clock, refusals, store } = this.#parts;
    const { seq } = event;
    const refused = { seq, code, message, attempts: 0, mayDie, atMs: clock.now() };
    return { seq, partition: null, refusal: refuse(refused, store.held.readBudget(seq), refusals) };
  }
}

/** What cannot be sent as it stands, of the key of a record that was refused, waits behind it. */
export function leftBehind(refused: RecordFault, { blocked, faults }: Batch): Left {
  const head = Holds.none();
  head.addHead(refused.event);
  const waits = faults.filter(({ event }) => head.hasHead(event));
  return {
    faults: [refused, ...faults.filter((fault) => !waits.includes(fault))],
    blocked: [...blocked, ...waits.map(({ event }) => ({ ...event, partition: null }))],
  };
}

const toHold = ({ seq, partition }: BlockedEvent): Hold => ({ seq, partition, refusal: null });

/**
 * How far a lane is, as it is committed to Kafka with a batch. Pure.
 *
 * The number alone would let a file that was restored from an older copy pass events that it has
 * not delivered: the note says from where the transaction went, to which event, and how many events
 * it passed that are set aside.
 */
export interface Watermark {
  /** A seq of the log, or the number of a send of held events. */
  readonly number: number;
  /** The number before. */
  readonly from: number;
  /** Of the last event of the log that it passes, or of the first held one; `null`: of none. */
  readonly eventId: string | null;
  /** Events that it passes without sending them. */
  readonly aside: number;
}

export interface Mark {
  readonly number: number;
  readonly note: string;
}

export function toMark({ number, from, eventId, aside }: Watermark): Mark {
  return { number, note: `${from} ${eventId ?? '-'} ${aside}` };
}

/** `null` when the note is of somebody else. */
export function fromMark({ number, note }: Mark): Watermark | null {
  const found = /^(\d+) (.+) (\d+)$/.exec(note);
  if (found === null) return null;
  const [, from, id, aside] = found;
  return {
    number,
    from: Number(from),
    eventId: id === '-' ? null : (id as string),
    aside: Number(aside),
  };
}

/** A filter of events as SQL: only what is given, so that the indexes can be used. Pure. */
import type { EventFilter, EventState } from '../operator.ts';

export interface Where {
  /** `AND …` for each condition. */
  readonly sql: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const heldStates = new Set<EventState>(['retrying', 'blocked', 'dead', 'skipped']);

/** Whether only held events can fit. */
export function isOfHeld({ states, code }: EventFilter): boolean {
  if (code !== undefined) return true;
  return states?.every((state) => heldStates.has(state)) ?? false;
}

/** What the state is: of `e`, an event; `h`, its held row if any; `l`, its lane. */
export const stateSql = `CASE WHEN h.state IS NOT NULL THEN h.state
  WHEN e.seq <= l.cursor THEN 'delivered' ELSE 'pending' END`;

export function whereOf(filter: EventFilter, nowMs: number): Where {
  const conditions: string[] = [];
  const values: Record<string, unknown> = {};
  const add = (sql: string, name: string, value: unknown) => {
    conditions.push(`AND ${sql}`);
    values[name] = value;
  };
  const { topic, key, states, code, seqs, ids, olderThanMs } = filter;
  if (topic !== undefined) add('e.topic = @topic', 'topic', topic);
  if (key !== undefined) {
    add(`coalesce(e.key, CAST(CAST(e.partition AS TEXT) AS BLOB)) = @key`, 'key', Buffer.from(key));
    if (isOfHeld(filter) && topic !== undefined) {
      conditions.push('AND h.topic = @topic AND h.order_key = @key');
    }
  }
  if (states !== undefined) {
    add(`${stateSql} IN (SELECT value FROM json_each(@states))`, 'states', JSON.stringify(states));
  }
  if (code !== undefined) add('h.code = @code', 'code', code);
  if (seqs !== undefined) {
    add('e.seq IN (SELECT value FROM json_each(@seqs))', 'seqs', JSON.stringify(seqs));
  }
  if (ids !== undefined) {
    add('e.id IN (SELECT value FROM json_each(@ids))', 'ids', JSON.stringify(ids));
  }
  if (olderThanMs !== undefined) {
    add('e.created_at <= @before', 'before', nowMs - olderThanMs);
  }
  return { sql: conditions.join(' '), values };
}

/**
 * A filter of events as SQL: only what is given, so that the indexes can be used. Pure.
 *
 * What is held is looked for in outbox_held, which has an index by topic and key. The log has none:
 * by topic and key it is read from one end to the other, which no act may do in its transaction.
 */
import type { EventFilter, EventState } from '../operator.ts';

export interface Where {
  readonly from: string;
  /** The column to page by. */
  readonly seq: string;
  /** `AND …` for each condition. */
  readonly sql: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const heldStates = new Set<EventState>(['retrying', 'blocked', 'dead', 'skipped']);

/** What the state is: of `e`, an event; `h`, its held row if any; `l`, its lane. */
export const stateSql = `CASE WHEN h.state IS NOT NULL THEN h.state
  WHEN e.seq <= l.cursor THEN 'delivered' ELSE 'pending' END`;

// CROSS JOIN keeps the planner from reading the log first.
const held = {
  from: `FROM outbox_held AS h CROSS JOIN outbox_events AS e ON e.seq = h.seq
    JOIN outbox_lanes AS l ON l.lane = h.lane`,
  seq: 'h.seq',
  topic: 'h.topic',
  key: 'h.order_key',
  state: 'h.state',
};
const log: typeof held = {
  from: `FROM outbox_events AS e JOIN outbox_lanes AS l ON l.lane = e.lane
    LEFT JOIN outbox_held AS h ON h.seq = e.seq`,
  seq: 'e.seq',
  topic: 'e.topic',
  key: 'coalesce(e.key, CAST(CAST(e.partition AS TEXT) AS BLOB))',
  state: stateSql,
};

export function whereOf(filter: EventFilter, nowMs: number): Where {
  const { topic, key, states, code, seqs, ids, olderThanMs, youngerThanMs } = filter;
  const table = isOfHeld(filter) ? held : log;
  const conditions: string[] = [];
  const values: Record<string, unknown> = {};
  const add = (sql: string, name: string, value: unknown) => {
    conditions.push(`AND ${sql} @${name}`);
    values[name] = value;
  };
  const addList = (column: string, name: string, list: readonly unknown[]) => {
    conditions.push(`AND ${column} IN (SELECT value FROM json_each(@${name}))`);
    values[name] = JSON.stringify(list);
  };
  if (topic !== undefined) add(`${table.topic} =`, 'topic', topic);
  if (key !== undefined) add(`${table.key} =`, 'key', Buffer.from(key));
  const [only] = states ?? [];
  if (table === held && states?.length === 1 && only !== undefined && heldStates.has(only)) {
    // Written out: the index of dead events is used for nothing else.
    conditions.push(`AND h.state = '${only}'`);
  } else if (states !== undefined) {
    addList(table.state, 'states', states);
  }
  if (states?.every((state) => state === 'pending')) {
    // What is delivered lies before it, and there may be a lot of that.
    conditions.push('AND e.seq > (SELECT min(cursor) FROM outbox_lanes)');
  }
  if (code !== undefined) add('h.code =', 'code', code);
  if (seqs !== undefined) addList(table.seq, 'seqs', seqs);
  if (ids !== undefined) addList('e.id', 'ids', ids);
  if (olderThanMs !== undefined) add('e.created_at <=', 'before', nowMs - olderThanMs);
  if (youngerThanMs !== undefined) add('e.created_at >', 'since', nowMs - youngerThanMs);
  return { from: table.from, seq: table.seq, sql: conditions.join(' '), values };
}

/** Whether only held events can fit. */
function isOfHeld({ states, code }: EventFilter): boolean {
  if (code !== undefined) return true;
  return states?.every((state) => heldStates.has(state)) ?? false;
}

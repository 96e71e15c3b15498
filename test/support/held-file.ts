/** An outbox file with held events in it, planted by SQL: no relay has to refuse them first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openOutbox } from '../../src/index.ts';
import { runSql } from './sql.ts';

export type State = 'retrying' | 'blocked' | 'dead' | 'skipped' | 'delivered' | 'pending';

/** `key:state` */
export type PlantedEvent = `${string}:${State}`;

export class HeldFile {
  readonly folder = mkdtempSync(join(tmpdir(), 'outbox-held-'));
  readonly path = join(this.folder, 'outbox.db');

  sql<T = unknown>(text: string): T[] {
    return runSql(this.path, text);
  }

  /** One lane; events of the topic `orders` in their order as `key:state`, pending ones last. */
  async plant(...events: readonly PlantedEvent[]): Promise<void> {
    const outbox = openOutbox({ path: this.path }, { lanes: 1 });
    outbox.enqueueMany(
      events.map((text) => ({ topic: 'orders', key: text.split(':')[0] as string, value: text })),
    );
    await outbox.close();
    const states = events.map((text) => text.split(':')[1] as State);
    const count = (...wanted: State[]) => states.filter((state) => wanted.includes(state)).length;
    this.sql(`UPDATE outbox_lanes SET cursor = ${states.length - count('pending')},
      held = ${count('retrying', 'blocked', 'dead')}, removed = ${count('skipped')},
      delivered = ${count('delivered')}`);
    for (const [index, state] of states.entries()) {
      if (state === 'delivered' || state === 'pending') continue;
      const failed = state !== 'blocked';
      this.sql(`INSERT INTO outbox_held (seq, lane, topic, partition, order_key, state, attempts,
          next_attempt_at, code, message, first_failed_at, last_failed_at)
        SELECT seq, 0, topic, 0, key, '${state}', ${failed ? 4 : 0},
          ${state === 'retrying' ? 99 : 'NULL'}, ${failed ? "'MESSAGE_TOO_LARGE'" : 'NULL'},
          'too large', 1, 2 FROM outbox_events WHERE seq = ${index + 1}`);
    }
  }

  /**
   * One lane with `count` dead events of the topic `orders`, as many of them behind each other in
   * one key as `perKey` says, and `pending` events behind them.
   */
  async plantMany(count: number, { perKey = 1, pending = 0 } = {}): Promise<void> {
    await openOutbox({ path: this.path }, { lanes: 1 }).close();
    this.sql(`
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count + pending})
      INSERT INTO outbox_events (id, topic, lane, created_at, key, value)
      SELECT printf('00000000-0000-7000-8000-%012x', i), 'orders', 0, 1,
        CAST(printf('k%d', i / ${perKey}) AS BLOB), zeroblob(100) FROM n`);
    this.sql(`
      INSERT INTO outbox_held (seq, lane, topic, partition, order_key, state, attempts, code,
        message, first_failed_at, last_failed_at)
      SELECT seq, 0, topic, 0, key, 'dead', 1, 'MESSAGE_TOO_LARGE', 'too large', 1, 1
      FROM outbox_events WHERE seq <= ${count}`);
    this.sql(`UPDATE outbox_lanes SET cursor = ${count}, held = ${count}`);
  }

  /** Held rows as `seq:state`. */
  rows(): string[] {
    return this.sql<{ seq: number; state: string }>(
      'SELECT seq, state FROM outbox_held ORDER BY seq',
    ).map(({ seq, state }) => `${seq}:${state}`);
  }

  /** Counters of the one lane. */
  lane(): object {
    const counters = 'held, removed, held_revision AS revision';
    return this.sql(`SELECT ${counters} FROM outbox_lanes`)[0] as object;
  }

  remove(): void {
    // Windows may hold files of a process for a moment after its end.
    rmSync(this.folder, { recursive: true, maxRetries: 5 });
  }
}

/** Held events in few numbers. Nothing is counted beyond a bound: it takes the same time always. */
import { limits } from '../../core/limits.ts';
import type { HeldSummary, StopFacts } from '../held.ts';
import type { Database, Statement } from './database.ts';
import { wholeTopic } from './held-rows.ts';

export class HeldSummaryReader {
  readonly #retrying: Statement;
  readonly #dead: Statement;
  readonly #ofTopic: Statement;
  readonly #stops: Statement;
  readonly #pauses: Statement;

  constructor(db: Database) {
    const upTo = (where: string) =>
      db.prepare(`SELECT 1 FROM outbox_held WHERE ${where} LIMIT ${limits.heldCountMax}`).pluck();
    this.#retrying = upTo("next_attempt_at IS NOT NULL AND state = 'retrying'");
    this.#dead = upTo("state = 'dead'");
    this.#ofTopic = upTo("topic = ? AND state <> 'skipped'");
    this.#stops = db.prepare(`
      SELECT topic, partition, code, message, min(since) AS sinceMs, sum(1) AS lanes
      FROM outbox_stops GROUP BY topic, partition ORDER BY topic, partition`);
    this.#pauses = db.prepare('SELECT topic FROM outbox_pauses ORDER BY topic').pluck();
  }

  ofTopic(topic: string): number {
    return this.#ofTopic.all(topic).length;
  }

  read(): HeldSummary {
    const stops = this.#stops.all() as (StopFacts & { partition: number })[];
    return {
      retrying: this.#retrying.all().length,
      dead: this.#dead.all().length,
      stops: stops.map((stop) => {
        return { ...stop, partition: stop.partition === wholeTopic ? null : stop.partition };
      }),
      pausedTopics: this.#pauses.all() as string[],
    };
  }
}

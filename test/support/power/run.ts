/**
 * A writer and a relay on a machine whose power is cut again and again, until as many cuts as
 * wanted found something unconfirmed; then everything is drained and accounted for.
 */
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { openStatus } from '../../../src/index.ts';
import type { Delivery } from '../../../src/relay/lane-parts.ts';
import type { Findings } from '../../../src/testing/checker.ts';
import type { Consumed, KafkaBroker } from '../kafka.ts';
import { Random } from '../random.ts';
import { until } from '../wait.ts';
import { Account } from './account.ts';
import { type Choices, choicesOf } from './choices.ts';
import { type CutCounts, noCounts } from './disk-file.ts';
import { groupsBefore } from './events.ts';
import { type Machine, type Order, Power } from './power.ts';

const lanes = 2;
const groupEvents = 20;

export interface RunOptions {
  readonly seed: number;
  /** How events are written; see writer.ts. */
  readonly how: 'library' | 'raw' | 'unsynced';
  /** Default: at least once. */
  readonly delivery?: Delivery;
  /** Cuts that have to count. */
  readonly cuts: number;
  /** Syncs of every relay that fail once it delivers; it goes on before the power is cut. */
  readonly relayMeets?: Order & { readonly what: 'sync' };
}

export interface RunReport extends Omit<Findings, 'examples'>, CutCounts {
  readonly seed: number;
  readonly how: RunOptions['how'];
  readonly delivery: Delivery;
  readonly cuts: number;
  readonly cutsCounted: number;
  /** What the looks at the file found that must not be. */
  readonly damage: readonly string[];
  readonly examples: readonly string[];
  /** A line a cut, for whoever looks for the cause. */
  readonly story: readonly string[];
}

export class PowerRun {
  readonly #kafka: KafkaBroker;
  readonly #options: RunOptions;
  readonly #power = new Power();
  readonly #topic = `power-${randomUUID()}`;
  readonly #account = new Account(this.#topic);
  readonly #damage: string[] = [];
  readonly #story: string[] = [];
  #readable = true;
  readonly #sum = { cuts: 0, cutsCounted: 0, ...noCounts };

  constructor(kafka: KafkaBroker, options: RunOptions) {
    this.#kafka = kafka;
    this.#options = options;
  }

  async run(): Promise<RunReport> {
    const { seed, how, cuts } = this.#options;
    const cutsMax = cuts * 3; // some find nothing unconfirmed
    try {
      await this.#kafka.createTopic(this.#topic);
      while (this.#sum.cutsCounted < cuts && this.#sum.cuts < cutsMax) {
        await this.#live();
        if (this.#damage.length > 0) break; // what is damaged need not start again
      }
      const findings = await this.#drain();
      const [delivery, damage, story] = [this.#delivery, this.#damage, this.#story];
      return { seed, how, delivery, ...this.#sum, ...findings, damage, story };
    } finally {
      await this.#power.close();
    }
  }

  /** One life of the machine, from its start to the end of its power. */
  async #live(): Promise<void> {
    const { seed, how } = this.#options;
    const cut = this.#sum.cuts + 1;
    // The mutant and its control have the same moments.
    const choices = choicesOf(seed, cut, { syncs: how === 'library' });
    const writer = this.#startWriter();
    // The first relay finds a file; later ones start beside the writer.
    if (cut === 1) await accepted(writer, 1);
    const relay = this.#startRelay();
    await relay.child.line('"delivered"', 60_000);
    writer.child.write('go\n');
    await this.#goOnAfterFault(relay);
    await accepted(writer, choices.accepted);
    await pull(choices, { writer, relay });
    const counts = await this.#power.cut(new Random(seed, `disk of cut ${cut}`));
    this.#account.take(writer.child.lines);
    this.#count(counts);
    const { lastIssued, lastSeq } = this.#account;
    this.#story.push(JSON.stringify({ ...choices, lastIssued, lastSeq, ...counts }));
    this.#look();
  }

  async #goOnAfterFault(relay: Machine): Promise<void> {
    const { relayMeets } = this.#options;
    if (relayMeets === undefined) return;
    const { times = 1, skip = 0 } = relayMeets;
    relay.order(relayMeets);
    await until('the order is taken', relay.orderTaken, { timeoutMs: 60_000 });
    // Each settles by a sync; those that failed are behind when as many and more went well.
    const wanted = delivered(relay) + times + skip + 5;
    await until('it goes on', () => delivered(relay) >= wanted, { timeoutMs: 60_000 });
    const failed = this.#power.failedSyncs().length;
    if (failed !== times) throw new Error(`${failed} syncs of the relay's failed, not ${times}`);
  }

  get #delivery(): Delivery {
    return this.#options.delivery ?? 'at-least-once';
  }

  #startWriter(): Machine {
    const [path, from] = [this.#power.db, this.#account.lastIssued + 1];
    const events = { path, topic: this.#topic, lanes, groupEvents, from, how: this.#options.how };
    return this.#power.start('test/support/power/writer.ts', events);
  }

  #startRelay(): Machine {
    return this.#power.start('test/fault/relay-child.ts', {
      db: this.#power.db,
      brokers: [this.#kafka.address],
      delivery: this.#delivery,
      batchEvents: 50,
      // What is delivered is deleted at once: pruning and shrinking write, too.
      retentionMs: 0,
    });
  }

  #count(counts: CutCounts): void {
    this.#sum.cuts += 1;
    if (counts.unsyncedWrites > 0) this.#sum.cutsCounted += 1;
    for (const [name, count] of Object.entries(counts)) this.#sum[name as keyof CutCounts] += count;
  }

  #look(): void {
    const { integrity, lastSeq, cursors, seqs } = this.#power.look();
    const { lastSeq: told, keys } = this.#account;
    const note = (what: string) => this.#damage.push(`cut ${this.#sum.cuts}: ${what}`);
    this.#readable = integrity === 'ok';
    if (!this.#readable) return void note(integrity);
    if (lastSeq < told) note(`seq ${told} was accepted, the file has ${lastSeq}`);
    const isPending = (seq: number, key: string) => seq > (cursors[this.#laneOf(key)] ?? 0);
    const missing = [...keys].filter(([seq, key]) => isPending(seq, key) && !seqs.has(seq));
    const [first] = missing;
    if (first !== undefined)
      note(`${missing.length} pending are missing, the first is ${first[0]}`);
  }

  #laneOf(key: string): number {
    return crc32(`${this.#topic}\0${key}`) % lanes;
  }

  /** Until nothing is pending; a file that cannot be read is left alone. */
  async #drain(): Promise<Findings> {
    if (this.#readable) {
      const writer = this.#delivery === 'exactly-once' ? await this.#endTransactions() : null;
      const relay = this.#startRelay();
      await relay.child.line('"started"', 60_000);
      const status = openStatus(this.#power.db);
      try {
        const nothing = () => status.read().pending === 0;
        await until('nothing pending', nothing, { timeoutMs: 60_000 });
      } finally {
        status.close();
      }
      await this.#power.killAll();
      this.#account.take(writer?.child.lines ?? []);
    }
    return this.#account.check(await this.#read());
  }

  /**
   * A killed relay may have left a transaction open, behind which nobody reads. The next one ends
   * it when it has something to send in that lane: each gets some.
   */
  async #endTransactions(): Promise<Machine> {
    const writer = this.#startWriter();
    await accepted(writer, groupsBefore * groupEvents);
    return writer;
  }

  /** To the end, which of Kafka's own consumer are two readings that found the same. */
  async #read(): Promise<Consumed[]> {
    if (this.#delivery !== 'exactly-once') return this.#kafka.consume(this.#topic, 'end');
    let before = -1;
    return this.#kafka.committed.consume(this.#topic, ({ length }) => {
      const isSame = length === before;
      before = length;
      return isSame;
    });
  }
}

/** By hand, which is done by the cut itself, or by an order. */
async function pull(
  { dies, order }: Choices,
  machines: Readonly<Record<Choices['dies'], Machine>>,
): Promise<void> {
  if (order === null) return;
  machines[dies].order(order);
  await machines[dies].child.ended;
}

const delivered = ({ child }: Machine) =>
  child.lines.filter((line) => line.includes('"delivered"')).length;

function accepted(writer: Machine, count: number): Promise<unknown> {
  let ended: string | null = null;
  void writer.child.ended.then(() => {
    ended = writer.child.errors.join('\n');
  });
  const enough = () => {
    if (ended !== null) throw new Error(`the writer ended: ${ended}`);
    return writer.child.lines.filter((line) => line.startsWith('{"accepted')).length >= count;
  };
  return until(`${count} accepted events`, enough, { timeoutMs: 60_000, everyMs: 5 });
}

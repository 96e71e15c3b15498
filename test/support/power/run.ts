/**
 * A writer and a relay on a machine whose power is cut again and again, until as many cuts as
 * wanted found something unconfirmed; then everything is drained and accounted for.
 */
import { randomUUID } from 'node:crypto';
import type { Findings } from '../../../scripts/demo/checker.ts';
import { openStatus } from '../../../src/index.ts';
import type { KafkaBroker } from '../kafka.ts';
import { until } from '../wait.ts';
import { Account } from './account.ts';
import type { CutCounts } from './disk-file.ts';
import { type Machine, Power } from './power.ts';
import { Random } from './random.ts';

const lanes = 2;
const groupEvents = 20;

export interface RunOptions {
  readonly seed: number;
  readonly how: 'library' | 'unsynced';
  /** Cuts that have to count. */
  readonly cuts: number;
  /** No more cuts than these, counted or not; for a writer that is expected to lose. */
  readonly cutsMax?: number;
}

export interface RunReport extends Omit<Findings, 'examples'>, CutCounts {
  readonly seed: number;
  readonly how: RunOptions['how'];
  readonly cuts: number;
  readonly cutsCounted: number;
  /** What the looks at the file found that must not be. */
  readonly damage: readonly string[];
  readonly examples: readonly string[];
}

export class PowerRun {
  readonly #kafka: KafkaBroker;
  readonly #options: RunOptions;
  readonly #random: Random;
  readonly #power = new Power();
  readonly #topic = `power-${randomUUID()}`;
  readonly #account = new Account();
  readonly #damage: string[] = [];
  #readable = true;
  readonly #sum = { cuts: 0, cutsCounted: 0, unsyncedWrites: 0, kept: 0, dropped: 0, torn: 0 };

  constructor(kafka: KafkaBroker, options: RunOptions) {
    this.#kafka = kafka;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<RunReport> {
    const { seed, how, cuts, cutsMax = cuts * 3 } = this.#options;
    try {
      await this.#kafka.createTopic(this.#topic);
      while (this.#sum.cutsCounted < cuts && this.#sum.cuts < cutsMax) {
        await this.#live();
        if (this.#damage.length > 0) break; // what is damaged need not start again
      }
      const findings = await this.#drain();
      return { seed, how, ...this.#sum, ...findings, damage: this.#damage };
    } finally {
      await this.#power.close();
    }
  }

  /** One life of the machine, from its start to the end of its power. */
  async #live(): Promise<void> {
    const { how } = this.#options;
    const random = this.#random;
    const from = this.#account.lastIssued + 1;
    const events = { path: this.#power.db, topic: this.#topic, lanes, groupEvents };
    const writer = this.#power.start('test/support/power/writer.ts', { ...events, from, how });
    await accepted(writer, 1);
    const relay = this.#startRelay();
    await relay.child.line('"delivered"', 60_000);
    await accepted(writer, random.between(40, 400));
    await this.#pull(random.pick([writer, writer, relay]));
    const counts = await this.#power.cut(random);
    this.#account.take(writer.child.lines);
    this.#count(counts);
    this.#look();
  }

  /** By hand, or at some change that one of the processes is about to make. */
  async #pull(machine: Machine): Promise<void> {
    if (this.#random.chance(0.2)) return;
    machine.order({ what: 'cut', skip: this.#random.between(0, 40) });
    await machine.child.ended;
  }

  #startRelay(): Machine {
    return this.#power.start('test/support/relay-child.ts', {
      db: this.#power.db,
      brokers: [this.#kafka.address],
      batchEvents: 50,
      // What is delivered is deleted at once: pruning and shrinking write, too.
      retentionMs: 0,
    });
  }

  #count(counts: CutCounts): void {
    this.#sum.cuts += 1;
    if (counts.unsyncedWrites > 0) this.#sum.cutsCounted += 1;
    for (const name of ['unsyncedWrites', 'kept', 'dropped', 'torn'] as const) {
      this.#sum[name] += counts[name];
    }
  }

  #look(): void {
    const { integrity, lastSeq } = this.#power.look();
    const cut = `cut ${this.#sum.cuts}`;
    this.#readable = integrity === 'ok';
    if (!this.#readable) this.#damage.push(`${cut}: ${integrity}`);
    else if (lastSeq < this.#account.lastSeq) {
      this.#damage.push(
        `${cut}: seq ${this.#account.lastSeq} was accepted, the file has ${lastSeq}`,
      );
    }
  }

  /** With a relay alone, until nothing is pending; a file that cannot be read is left alone. */
  async #drain(): Promise<Findings> {
    if (this.#readable) {
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
    }
    return this.#account.check(await this.#kafka.consumeAll(this.#topic));
  }
}

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

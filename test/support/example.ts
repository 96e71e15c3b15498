/** A program of examples/, run as it stands, on a file of its own and the given Kafka. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type OutboxStatus, openStatus } from '../../src/index.ts';
import { Child, root } from './child.ts';
import { kafkaImage } from './images.ts';
import type { Consumed, KafkaBroker } from './kafka.ts';
import { until } from './wait.ts';

/** What Node says about stripped types (22), and about kafkajs's timer (24). */
const quiet = ['--disable-warning=ExperimentalWarning', '--disable-warning=TimeoutNegativeWarning'];

export class Example {
  readonly #folder = mkdtempSync(join(tmpdir(), 'outbox-example-'));
  readonly #db = join(this.#folder, 'shop.db');
  readonly #children: Child[] = [];
  readonly #kafka: KafkaBroker;

  constructor(kafka: KafkaBroker) {
    this.#kafka = kafka;
  }

  /** @param file below examples/ */
  start(file: string, args: readonly string[] = []): Child {
    const flags = [...quiet, '--import', `${root}test/support/source-package.ts`];
    const child = new Child(process.execPath, [...flags, `${root}examples/${file}`, ...args], {
      cwd: this.#folder,
      env: { DB: this.#db, BROKERS: this.#kafka.address, PORT: '0', KAFKA_IMAGE: kafkaImage() },
    });
    this.#children.push(child);
    return child;
  }

  /** The business rows. */
  orders(): unknown[] {
    const db = new Database(this.#db, { readonly: true });
    try {
      return db.prepare('SELECT id, total FROM orders ORDER BY id').all();
    } finally {
      db.close();
    }
  }

  status(): OutboxStatus {
    const status = openStatus(this.#db);
    try {
      return status.read();
    } finally {
      status.close();
    }
  }

  /** Waits until that many were accepted and all of them are delivered; with that, no more come. */
  async delivered(count: number): Promise<void> {
    await until(`${count} are delivered`, () => {
      const { accepted, delivered, pending } = this.status();
      return accepted === count && delivered === count && pending === 0;
    });
  }

  /** What Kafka has of this file in a topic that other examples use too. */
  async records(topic: string, count: number): Promise<{ key: string | null; value: string }[]> {
    const records = await this.#consumed(topic, count);
    return records.map(({ key, value }) => ({ key, value: String(value) }));
  }

  /** Ids of those events. */
  async eventIds(topic: string, count: number): Promise<string[]> {
    const records = await this.#consumed(topic, count);
    return records.map(({ headers }) => String(headers['outbox-event-id']));
  }

  async #consumed(topic: string, count: number): Promise<Consumed[]> {
    const { outboxId } = this.status();
    const ofThisFile = ({ headers }: Consumed) => headers['outbox-source'] === outboxId;
    const enough = (all: readonly Consumed[]) => all.filter(ofThisFile).length >= count;
    return (await this.#kafka.consume(topic, enough)).filter(ofThisFile);
  }

  /** The file was closed in order: a process that is killed leaves its log behind. */
  isClosed(): boolean {
    return !existsSync(`${this.#db}-wal`);
  }

  async close(): Promise<void> {
    for (const child of this.#children) await child.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

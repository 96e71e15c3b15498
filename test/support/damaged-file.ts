/** An outbox file with a history, and ways to damage it that a printed seed repeats. */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { createRelay, openOutbox, openStatus } from '../../src/index.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import { Random } from './random.ts';
import { runSql } from './sql.ts';
import { until } from './wait.ts';

/** As Math.random, but repeatable. */
export function randomOf(seed: number): () => number {
  const random = new Random(seed);
  return () => random.next();
}

/** From the environment, or a new one; printed so that a failure can be repeated. */
export function seedOf(name: string): number {
  const given = process.env['DAMAGE_SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  process.stdout.write(`${name}: DAMAGE_SEED=${seed}\n`);
  return seed;
}

/** What SQLite makes, unless it is told otherwise. */
export const pageBytes = 4_096;

interface Stretch {
  readonly at: number;
  readonly bytes: number;
  /** Default: the database file. */
  readonly file?: string;
}

interface History {
  readonly bytes: Buffer;
  readonly accepted: readonly string[];
  readonly delivered: readonly string[];
}

let made: Promise<History> | null = null;

export class DamagedFile {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'outbox-damaged-')));
  readonly path = join(this.folder, 'shop.db');
  /** Kafka: it outlives the file. */
  readonly kafka = new MemoryDriver({ recordBytesMax: 4_000 });
  /** Ids of every accepted event. */
  readonly accepted: string[] = [];
  readonly #deliveredBefore: string[] = [];

  sql<T = Record<string, unknown>>(text: string): T[] {
    return runSql(this.path, text);
  }

  exec(text: string): void {
    const db = new Database(this.path);
    db.exec(text);
    db.close();
  }

  async accept(count: number, valueBytes = 300): Promise<void> {
    const outbox = openOutbox({ path: this.path }, { lanesOfNew: 4 });
    for (let index = 0; index < count; index += 1) {
      const key = `k${index % 40}`;
      const value = `${index} `.padEnd(valueBytes, 'x');
      const dedupeKey = `once-${this.accepted.length}`;
      this.accepted.push(outbox.enqueue({ topic: 'orders', key, value, dedupeKey }).id);
    }
    await outbox.close();
  }

  /** Relays until nothing is pending; what is refused is dead at once, its key waits. */
  async relay(): Promise<void> {
    const relay = createRelay(
      { db: this.path, brokers: ['memory:9092'], pollMs: 5, retry: { retries: 0, delayMs: 100 } },
      { createDriver: () => this.kafka },
    );
    await relay.start();
    try {
      await until('nothing to be pending', () => {
        const due = 'SELECT 1 FROM outbox_held WHERE next_attempt_at IS NOT NULL LIMIT 1';
        return relay.status().pending === 0 && this.sql(due).length === 0;
      });
    } finally {
      await relay.stop();
    }
  }

  /**
   * Delivered ones, one that is dead with its key behind it, and pending ones. Made once, and
   * copied for each test.
   */
  async withHistory(): Promise<void> {
    made ??= DamagedFile.#history();
    const { bytes, accepted, delivered } = await made;
    writeFileSync(this.path, bytes);
    this.accepted.push(...accepted);
    this.#deliveredBefore.push(...delivered);
  }

  static async #history(): Promise<History> {
    const file = new DamagedFile();
    await file.accept(200);
    await file.accept(1, 5_000);
    await file.accept(80);
    await file.relay();
    await file.accept(400);
    const { accepted } = file;
    const history = { bytes: file.bytes(), accepted, delivered: [...file.delivered()] };
    file.remove();
    return history;
  }

  /** Event ids that Kafka has, each once. */
  delivered(): Set<string> {
    const headers = this.kafka.recordsOf('orders').map((record) => {
      return record.headers.find(([name]) => name === 'outbox-event-id')?.[1];
    });
    const ids = headers.map((id) => Buffer.from(id ?? '').toString());
    return new Set([...this.#deliveredBefore, ...ids]);
  }

  /** Event ids that the file has and that are not delivered. */
  kept(): Set<string> {
    const rows = this.sql<{ id: string }>(`
      SELECT id FROM outbox_event_status WHERE status <> 'delivered'`);
    return new Set(rows.map(({ id }) => id));
  }

  /** Pages of a table or index, by kind: `leaf`, `internal`, `overflow`. */
  pagesOf(name: string, kind = 'leaf'): number[] {
    const rows = this.sql<{ page: number }>(`
      SELECT pageno AS page FROM dbstat WHERE name = '${name}' AND pagetype = '${kind}'`);
    return rows.map(({ page }) => page);
  }

  /** Nobody may have the file open. */
  overwrite({ at, bytes, file = this.path }: Stretch, random: () => number): void {
    const noise = Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)));
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, noise, 0, bytes, at);
    closeSync(descriptor);
  }

  overwritePage(page: number, random: () => number): void {
    this.overwrite({ at: (page - 1) * pageBytes, bytes: pageBytes }, random);
  }

  bytes(file = this.path): Buffer {
    return readFileSync(file);
  }

  size(file = this.path): number {
    return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  status() {
    const reader = openStatus(this.path);
    try {
      return reader.read();
    } finally {
      reader.close();
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, maxRetries: 5 });
  }
}

/** The code of the error that it throws; `done`: it throws none. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'done';
}

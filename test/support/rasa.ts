/** An event broker in a folder of its own, on a Kafka in memory or a real one, and its records. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { RelayHooks } from '../../src/index.ts';
import { KafkaEventBroker, type KafkaEventBrokerOptions } from '../../src/rasa/index.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import type { RelayLogger } from '../../src/telemetry/log.ts';

export interface LogLine {
  readonly level: keyof RelayLogger;
  readonly facts: object;
  readonly message: string;
}

export class RasaScene {
  readonly folder = mkdtempSync(join(tmpdir(), 'outbox-rasa-'));
  readonly db = this.path('events.db');
  readonly driver = new MemoryDriver();
  readonly lines: LogLine[] = [];
  readonly #brokers: KafkaEventBroker[] = [];

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  readonly logger: RelayLogger = {
    debug: (facts, message) => this.lines.push({ level: 'debug', facts, message }),
    info: (facts, message) => this.lines.push({ level: 'info', facts, message }),
    warn: (facts, message) => this.lines.push({ level: 'warn', facts, message }),
    error: (facts, message) => this.lines.push({ level: 'error', facts, message }),
  };

  get options(): KafkaEventBrokerOptions {
    const relay = { pollMs: 5, retry: { retries: 0, delayMs: 100 } };
    const plain = { url: '127.0.0.1:9092', security_protocol: 'PLAINTEXT' };
    return { ...plain, outbox_path: this.db, logger: this.logger, relay };
  }

  /** On the Kafka in memory. */
  broker(options: Partial<KafkaEventBrokerOptions> = {}, hooks: RelayHooks = {}) {
    const given = { createDriver: () => this.driver, ...hooks };
    return this.keep(new KafkaEventBroker({ ...this.options, ...options }, given));
  }

  /** Closed with the scene. */
  keep<T extends KafkaEventBroker | null>(broker: T): T {
    if (broker !== null) this.#brokers.push(broker);
    return broker;
  }

  /** Rows of the file, as any SQL shell shows them. */
  rows(): Record<string, unknown>[] {
    const db = new Database(this.db, { readonly: true });
    try {
      return db.prepare('SELECT * FROM outbox_events ORDER BY seq').all() as never;
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {
    for (const broker of this.#brokers) await broker.close({ deadlineMs: 100 });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

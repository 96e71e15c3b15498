import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { createMemoryOutbox } from '../../src/outbox/memory.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import { lanes, storeContract } from './store.suite.ts';

describe('the store in SQLite', () => {
  storeContract((clock) => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-store-'));
    const options = { clock, migrate: true, lanes };
    const opened = openSqliteOutbox({ path: join(folder, 'outbox.db') }, options);
    const close = () => {
      opened.close();
      rmSync(folder, { recursive: true });
    };
    return { appender: opened.appender, openStore: opened.openStore, close };
  });
});

describe('the store in memory', () => {
  storeContract((clock) => {
    const identity = { outboxId: 'b8f0c1f4-0000-7000-8000-000000000000', lanes };
    return { ...createMemoryOutbox(identity, clock), close: () => {} };
  });
});

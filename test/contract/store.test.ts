import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { openSqliteOutbox } from '../../src/outbox/sqlite/open.ts';
import { migrateToTheFuture } from '../support/future.ts';
import { lanes, storeContract } from './store.suite.ts';

describe('the store in SQLite', () => {
  storeContract((clock) => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-store-'));
    const options = { clock, schema: 'auto', lanes } as const;
    const opened = openSqliteOutbox({ path: join(folder, 'outbox.db') }, options);
    const close = () => {
      opened.close();
      rmSync(folder, { recursive: true });
    };
    return { appender: opened.appender, openStore: opened.openStore, close };
  });
});

describe('the store in SQLite, after a newer version has migrated its file', () => {
  storeContract((clock) => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-store-'));
    const path = join(folder, 'outbox.db');
    openSqliteOutbox({ path }, { clock, schema: 'auto', lanes }).close();
    migrateToTheFuture(path, 1);
    const opened = openSqliteOutbox({ path }, { clock, schema: 'auto' });
    const close = () => {
      opened.close();
      rmSync(folder, { recursive: true });
    };
    return { appender: opened.appender, openStore: opened.openStore, close };
  });
});

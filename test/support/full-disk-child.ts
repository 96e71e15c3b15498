/** In a mount of its own with little room: fills the disk, drains, and says what came of it. */
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRelay, type OutboxRelayError, openOutbox } from '../../src/index.ts';
import { MemoryDriver } from '../../src/sink/memory.ts';
import { until } from './wait.ts';

const folder = process.argv[2] as string;
const path = join(folder, 'outbox.db');
const filler = join(folder, 'filler');
const value = Buffer.alloc(50_000, 'x');

const driver = new MemoryDriver();
driver.goAway();
const relay = createRelay(
  { db: path, brokers: ['127.0.0.1:1'], retentionMs: 0, retry: { delayMs: 100 } },
  { createDriver: () => driver },
);
const warnings = new Set<string>();
relay.on('warning', ({ code }) => warnings.add(code));
await relay.start();
const reserveAtStart = existsSync(`${path}-reserve`);
const outbox = openOutbox({ path }, { bounds: { freeDiskBytes: 0 } });

/** Until the disk says no. */
async function fill(): Promise<{ accepted: number; code: string }> {
  for (let accepted = 0; ; accepted += 1) {
    try {
      await outbox.publish({ topic: 'orders', key: `k${accepted % 50}`, value });
    } catch (error) {
      return { accepted, code: (error as OutboxRelayError).code };
    }
  }
}

/** What is left of the disk is taken by somebody else. */
function fillUp(): number {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(filler, Buffer.alloc(bavail * bsize));
  return statfsSync(folder).bavail;
}

const { accepted, code } = await fill();
const freeBlocks = fillUp();
driver.comeBack();
const delivered = () => driver.recordsOf('orders').length;
await until('everything accepted is delivered', () => relay.status().pending === 0);
const reserveWhenFull = existsSync(`${path}-reserve`);
await until('what is delivered is deleted', () => relay.status().delivered === accepted);
rmSync(filler);
await until('the reserve is back', () => existsSync(`${path}-reserve`));
await outbox.publish({ topic: 'orders', key: 'after', value });
await until('the next one is delivered', () => delivered() > accepted);
await relay.stop();
await outbox.close();
const told = [...warnings];
const facts = { reserveAtStart, reserveWhenFull, freeBlocks, told };
process.stdout.write(JSON.stringify({ accepted, code, delivered: delivered(), ...facts }));

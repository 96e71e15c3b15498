/** The example of the README, run as it stands against a real Kafka. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Child, root } from '../support/child.ts';
import { KafkaBroker } from '../support/kafka.ts';

let kafka: KafkaBroker;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-quick-start-'));
  kafka = await KafkaBroker.start();
});
afterAll(async () => {
  await kafka?.stop();
  rmSync(folder, { recursive: true });
});

it('the quick start of the README brings its order to Kafka', async () => {
  const example = readFileSync(`${root}examples/quick-start.ts`, 'utf8');
  const elsewhere = example.replace('127.0.0.1:9092', kafka.address);
  expect(elsewhere).not.toBe(example);
  // The package's name leads to its source, as it would to the installed package.
  const source = JSON.stringify(new URL('../../src/index.ts', import.meta.url).href);
  writeFileSync(join(folder, 'quick-start.ts'), elsewhere);
  writeFileSync(
    join(folder, 'package-name.mjs'),
    `import { registerHooks } from 'node:module';
    registerHooks({
      resolve: (name, context, next) => next(name === 'outbox-relay' ? ${source} : name, context),
    });`,
  );
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  await kafka.createTopic('orders', 1);

  const shop = new Child(
    process.execPath,
    ['--import', join(folder, 'package-name.mjs'), join(folder, 'quick-start.ts')],
    { cwd: folder },
  );
  try {
    await shop.line('1 in Kafka');
    const [record] = await kafka.consume('orders', 1);
    expect(record).toMatchObject({ key: 'order-1' });
    expect(JSON.parse(String(record?.value))).toEqual({ id: 1, total: 19.9 });
  } finally {
    await shop.kill();
  }
});

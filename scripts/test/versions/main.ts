/**
 * `npm run test:versions`: the tests that use Kafka or Redis, against each row of versions in
 * turn, all rows even after a failure, then a table and the count.
 */
import { randomUUID } from 'node:crypto';
import { globSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../command.ts';
import { leftovers, removeLeftovers } from '../leftovers.ts';
import { runTests } from '../suites.ts';
import { withoutServices } from '../without-services.mjs';
import { provideImages, type RowImages, versionsOf } from './images.ts';
import { helpText, parseVersionsOptions, type VersionsOptions } from './options.ts';
import { type Outcome, reportOf } from './report.ts';
import type { Row } from './rows.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

async function run(options: VersionsOptions): Promise<number> {
  const session = randomUUID();
  process.env['OUTBOX_RELAY_TEST_SESSION'] = session;
  const files = options.files.length > 0 ? options.files : testsOfServices();
  const outcomes: Outcome[] = [];
  for (const row of options.rows) outcomes.push(await runRow(row, files));
  const left = await leftovers(session);
  await removeLeftovers(left);
  const { lines, report } = reportOf(outcomes, left, process.env['CI'] === 'true');
  process.stdout.write(`\n${lines.join('\n')}\n`);
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, JSON.stringify(report, null, 2));
  return report.ok ? 0 : 1;
}

const testsOfServices = (): string[] =>
  globSync('test/{contract,integration}/*.test.ts', { cwd: root })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => !withoutServices.includes(file))
    .sort();

async function runRow(row: Row, files: readonly string[]): Promise<Outcome> {
  process.stdout.write(`\n── ${row.name}\n`);
  let images: RowImages;
  try {
    images = await provideImages(row);
  } catch (error) {
    // Told in the table: a command's message holds its last lines too.
    const [notAvailable = ''] = (error as Error).message.split('\n');
    process.stderr.write(`${(error as Error).message}\n`);
    return { row, notAvailable };
  }
  const versions = await versionsOf(images);
  const startMs = performance.now();
  const result = await runTests(['contract', 'integration'], {
    files,
    env: { KAFKA_IMAGE: images.kafka, REDIS_IMAGE: images.redis },
  });
  return { row, versions, seconds: (performance.now() - startMs) / 1_000, ...result };
}

await runCommand({ helpText, parse: parseVersionsOptions, run });

/**
 * `npm test`: every suite, one after the other, all of them even after a failure, then the count.
 * Arguments choose suites (`npm test -- unit contract`) or, after `--`, files.
 */
import { randomUUID } from 'node:crypto';
import { leftovers, removeLeftovers } from './leftovers.ts';
import { runSuite, type SuiteResult, suites } from './suites.ts';
import { summarise } from './summary.ts';

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`no suite ${unknown.join(', ')}; there are: `);
    process.stderr.write(`${suites.map(({ name }) => name).join(', ')}\n`);
    return 2;
  }
  const session = randomUUID();
  process.env['OUTBOX_RELAY_TEST_SESSION'] = session;
  const results: SuiteResult[] = [];
  for (const suite of suites) {
    if (args.length > 0 && !args.includes(suite.name)) continue;
    process.stdout.write(`\n── ${suite.name}\n`);
    results.push(await runSuite(suite));
  }
  const left = await leftovers(session);
  await removeLeftovers(left);
  const { lines, ok } = summarise(results, left, process.env['CI'] === 'true');
  process.stdout.write(`\n${lines.join('\n')}\n`);
  return ok ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));

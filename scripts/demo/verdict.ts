/**
 * The checker as a command, over the files of a run:
 *
 *     node scripts/demo/verdict.ts LEDGER CONSUMED [--duplicates-max N]
 *
 * Prints the findings as JSON. Exit code 0 when all promises hold, 1 when one is broken or a file
 * is damaged, 2 on a mistake on the command line.
 */
import { parseArgs } from 'node:util';
import { checkDelivery } from '../../src/testing/checker.ts';
import { readConsumed } from './consumed.ts';
import { exitCodeOf, judgeFindings } from './judge.ts';
import { readLedger } from './ledger.ts';

const usage = 'Usage: node scripts/demo/verdict.ts LEDGER CONSUMED [--duplicates-max N]\n';

function parse(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'duplicates-max': { type: 'string', default: '0' } },
  });
  const [ledger, consumed, ...rest] = positionals;
  const duplicatesMax = values['duplicates-max'];
  if (ledger === undefined || consumed === undefined || rest.length > 0) {
    throw new TypeError(`two files are needed, got ${positionals.length}`);
  }
  if (!/^\d{1,12}$/.test(duplicatesMax)) {
    throw new TypeError(`--duplicates-max must be a whole number, got "${duplicatesMax}"`);
  }
  return { ledger, consumed, duplicatesMax: Number(duplicatesMax) };
}

function main(args: string[]): number {
  let options: ReturnType<typeof parse>;
  try {
    options = parse(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return 2;
  }
  try {
    const findings = checkDelivery(readLedger(options.ledger), readConsumed(options.consumed));
    const faults = judgeFindings(findings, options.duplicatesMax);
    process.stdout.write(`${JSON.stringify({ ...findings, faults }, null, 2)}\n`);
    return exitCodeOf(faults);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));

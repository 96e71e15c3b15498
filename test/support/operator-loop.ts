/** A process that skips held events one by one until there is none, against others that do too. */
import { openOperator } from '../../src/index.ts';

const [path] = process.argv.slice(2) as [string];
const operator = openOperator(path);
process.stdout.write('ready\n');
process.stdin.once('data', () => {
  let skipped = 0;
  while (operator.skip({}, { limit: 1, reason: 'a race' }).changed > 0) skipped += 1;
  operator.close();
  process.stdout.write(`skipped ${skipped}\n`);
  process.stdin.destroy();
});

/** A process that does one act to everything that is held, and tells what that took. */
import { openOperator } from '../../src/index.ts';

const [path, verb] = process.argv.slice(2) as [string, 'skip' | 'redrive' | 'purge'];
const operator = openOperator(path);
const { changed } = operator[verb]({}, { reason: 'all of it', limit: 1_000_000 });
operator.close();
// Kibibytes, the most that it ever had.
process.stdout.write(`${JSON.stringify({ changed, rssKib: process.resourceUsage().maxRSS })}\n`);

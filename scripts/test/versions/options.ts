/** Options of `npm run test:versions`. Pure. */
import { parseArgs } from 'node:util';
import { type Row, rows } from './rows.ts';

export interface VersionsOptions {
  readonly help: boolean;
  readonly jsonFile: string | null;
  readonly rows: readonly Row[];
  /** Parts of test files' paths; empty for all that depend on a service. */
  readonly files: readonly string[];
}

const names = rows.map(({ name }) => name);

export const helpText = `Usage: npm run test:versions -- [options] [FILE...]

Runs the tests that use Kafka or Redis against other versions than npm test does, row by row, and
prints how many passed. An image that can neither be pulled nor built makes its row not available;
with CI=true that is a failure. FILE runs the test files with this in their path only.

Options:
  --row NAME     this row only; can be given again (${names.join(', ')})
  --json FILE    also write the result as JSON
  --help         show this text
`;

/** The options, or what is wrong with them. */
export function parseVersionsOptions(args: readonly string[]): VersionsOptions | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        row: { type: 'string', multiple: true },
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
    const wanted = values.row ?? names;
    const unknown = wanted.filter((name) => !names.includes(name));
    if (unknown.length > 0) return `no row ${unknown.join(', ')}; there are: ${names.join(', ')}`;
    return {
      help: values.help ?? false,
      jsonFile: values.json ?? null,
      rows: rows.filter(({ name }) => wanted.includes(name)),
      files: positionals,
    };
  } catch (error) {
    return (error as Error).message;
  }
}

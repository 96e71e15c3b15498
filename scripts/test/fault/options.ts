/** The command line of `npm run test:fault`. */
import { parseArgs } from 'node:util';

export interface FaultOptions {
  readonly form: 'full' | 'short';
  /** Decides what goes wrong when. */
  readonly seed: number | null;
  /** Whether what an earlier run has left undone is gone on with. */
  readonly resume: boolean;
  readonly jsonFile: string | null;
  readonly help: boolean;
  /** Parts of test files' names; empty for all. */
  readonly files: readonly string[];
}

export const helpText = `npm run test:fault [-- OPTIONS] [FILE...]

Faults of Kafka, Redis, disk and processes, and what the checker finds after them. It goes on where
it was stopped, as long as the commit and what is not committed (documents apart) are the same.

  --form short|full  how much of it; default: full, at most 75 minutes
  --seed N           replays a run
  --again            begins anew
  --json FILE        the figures, as JSON
  --help
FILE: a part of a test file's name, e.g. kills
`;

/** @returns the files that the parts name, all without one; or what is wrong with a part */
export function chooseFiles(
  all: readonly string[],
  parts: readonly string[],
): readonly string[] | string {
  const wrong = parts.filter((part) => !all.some((file) => file.includes(part)));
  if (wrong.length > 0)
    return `no test file has ${wrong.join(', ')} in it; there are:\n  ${all.join('\n  ')}`;
  return all.filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)));
}

/** @returns what is wrong with the arguments, in words, when something is */
export function parseFaultOptions(args: readonly string[]): FaultOptions | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        form: { type: 'string', default: 'full' },
        seed: { type: 'string' },
        again: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    const { form, again, json = null, help } = values;
    if (form !== 'full' && form !== 'short') return `--form: ${form} is neither short nor full`;
    const seed = values.seed === undefined ? null : Number(values.seed);
    if (seed !== null && !(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31)) {
      return `--seed: ${values.seed} is no whole number from 0 to 2147483647`;
    }
    return { form, seed, resume: !again, jsonFile: json, help, files: positionals };
  } catch (error) {
    return (error as Error).message;
  }
}

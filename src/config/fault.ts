/** What is wrong with an option, told so that nobody has to look further, and without secrets. */
import { ConfigInvalidError } from '../core/errors.ts';

export interface Fault {
  /** e.g. `retry.delayMs`, `brokers.0` */
  readonly path: string;
  readonly problem: string;
  /** The value received, as JSON; secrets masked; `undefined` when nothing was given. */
  readonly received: string | undefined;
  /** Where the value came from, e.g. `--delay`; `undefined` when an object was given in code. */
  readonly origin: string | undefined;
}

const shownLengthMax = 200;

/** @throws CONFIG_INVALID with every fault in the message and in `details.faults` */
export function failWith(faults: readonly Fault[]): never {
  const lines = faults.map(({ path, problem, received, origin }) => {
    const from = origin === undefined ? '' : ` (${origin})`;
    const value = received === undefined ? '' : `, not ${received}`;
    return `${path}${from}: ${problem}${value}`;
  });
  throw new ConfigInvalidError(lines.join('; '), { details: { faults } });
}

/** `url`: only the password in it is secret; `group`: something in it is; `true`: all of it is. */
export type Secrecy = 'url' | 'group' | boolean;

/** A value for a message; a secret shows only what is known to be none. */
export function show(value: unknown, secret: Secrecy = false): string | undefined {
  if (value === undefined) return undefined;
  const text = asText(value);
  if (secret === true) return '***';
  if (secret === 'url' && !/^"[a-z]+:\/\//.test(text)) return '***';
  if (secret === 'group' && /^["[{]/.test(text)) return '***';
  const masked = maskSecrets(text);
  return masked.length > shownLengthMax ? `${masked.slice(0, shownLengthMax)}…` : masked;
}

/** Total: whatever is given as an option can be told. */
function asText(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return typeof value; // cyclic, or with a BigInt inside: the type is news enough
  }
}

/** Takes passwords out of the URLs of a text, also one with an `@` that should be `%40`. */
export function maskSecrets(text: string): string {
  return text
    .replace(/(:\/\/[^:/@\s"]*):[^\s"]*@/g, '$1:***@')
    .replace(/([?&]password=)[^&\s"]*/gi, '$1***');
}

/** The name that was probably meant, or `undefined` when none is near. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((candidate) => {
      const inner = candidate.split('.').at(-1) ?? candidate; // `retries` means `retry.retries`
      const steps = Math.min(distance(name, candidate), distance(name, inner));
      return { candidate, steps };
    })
    .sort((a, b) => a.steps - b.steps);
  const best = ranked[0];
  return best !== undefined && best.steps <= Math.ceil(name.length / 3)
    ? best.candidate
    : undefined;
}

/** Levenshtein's, without regard to case. */
function distance(from: string, to: string): number {
  const [a, b] = [from.toLowerCase(), to.toLowerCase()];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

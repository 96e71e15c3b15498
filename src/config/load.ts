/** Options from a file, the environment and flags; the later wins, option by option. */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { ConfigInvalidError } from '../core/errors.ts';
import { type OptionEntry, optionEntries } from './entries.ts';

export interface OptionSources {
  /** A `.yml`, `.yaml` or `.json` file. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values of flags as text, by flag name. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

type Options = Record<string, unknown>;

/**
 * Options as found, unchecked; `resolveConfig` checks them.
 * @throws CONFIG_INVALID when the file cannot be read or parsed, or a variable is unknown
 */
export function loadOptions({ file, env, flags }: OptionSources): Options {
  const options = file === undefined ? {} : readOptionsFile(file);
  refuseUnknownVariables(env);
  for (const entry of optionEntries) {
    const text = flags[entry.facts.flag] ?? env[entry.env];
    if (text !== undefined) put(options, entry.path, fromText(entry, text));
  }
  return options;
}

function readOptionsFile(file: string): Options {
  let parsed: unknown;
  try {
    const text = readFileSync(file, 'utf8');
    parsed = file.endsWith('.json') ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw new ConfigInvalidError(`${file}: ${(error as Error).message}`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ConfigInvalidError(`${file}: must hold options by name`);
  }
  return structuredClone(parsed) as Options;
}

/** A misspelt variable would silently do nothing. */
function refuseUnknownVariables(env: OptionSources['env']): void {
  const known = new Set(optionEntries.map((entry) => entry.env));
  const others = ['OUTBOX_RELAY_CONFIG', 'OUTBOX_RELAY_NO_INSTALL'];
  const unknown = Object.keys(env).filter(
    (name) =>
      name.startsWith('OUTBOX_RELAY_') &&
      !name.startsWith('OUTBOX_RELAY_TEST_') &&
      !known.has(name) &&
      !others.includes(name),
  );
  if (unknown.length > 0) {
    throw new ConfigInvalidError(`environment: ${unknown.join(', ')} is not an option`);
  }
}

/**
 * The value of an option given as text. What does not look like its type stays text, so that the
 * schema reports it with the value received.
 */
export function fromText({ path, schema }: OptionEntry, text: string): unknown {
  if (path.at(-1) === 'brokers') return text.split(',').map((broker) => broker.trim());
  if (schema.safeParse(text).success) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (text.startsWith('{')) {
    try {
      return JSON.parse(text);
    } catch {
      return text; // not JSON: reported as received
    }
  }
  return text;
}

function put(options: Options, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    options[name] = value;
    return;
  }
  const inner = (options[name] ?? {}) as Options;
  options[name] = inner;
  put(inner, rest, value);
}

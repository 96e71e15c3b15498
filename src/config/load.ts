/** Options from a file, the environment and flags; the later wins, option by option. */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { ConfigInvalidError } from '../core/errors.ts';
import { type OptionEntry, optionEntries } from './entries.ts';
import { type Fault, nearest } from './fault.ts';

export interface OptionSources {
  /** A `.yml`, `.yaml` or `.json` file. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Options that the file, the environment and flags win over, and where they are from. */
  readonly base?: { readonly options: object; readonly origin: string };
  /** Values of flags as text, by flag name. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

export interface LoadedOptions {
  /** As found, unchecked: `resolveConfig` checks them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where each came from, by path; what is not in it came from the file. */
  readonly origins: ReadonlyMap<string, string>;
  readonly file: string | undefined;
  /** What is wrong already: names in the environment that are no options. */
  readonly faults: readonly Fault[];
}

type Options = Record<string, unknown>;

/** Variables of this project that are no options of the relay. */
const otherVariables = /^OUTBOX_RELAY_(CONFIG|NO_INSTALL|TEST_.*)$/;

/** @throws CONFIG_INVALID when the file cannot be read or parsed */
export function loadOptions({ file, base, env, flags }: OptionSources): LoadedOptions {
  const written = file === undefined ? {} : readOptionsFile(file);
  const options =
    base === undefined ? written : over(structuredClone(base.options) as Options, written);
  const origins = new Map<string, string>();
  for (const entry of optionEntries) {
    const flag = flags[entry.facts.flag];
    const text = flag ?? env[entry.env];
    if (text === undefined) continue;
    const value = fromText(entry, text);
    if (!isThere(options, entry, value)) put(options, entry.path, value);
    const origin = flag === undefined ? entry.env : `--${entry.facts.flag}`;
    origins.set(entry.path.join('.'), origin);
  }
  // Last: what an option of a group has of its own is found before what the group has.
  for (const name of Object.keys(base?.options ?? {})) {
    if (base !== undefined && !(name in written) && !origins.has(name)) {
      origins.set(name, base.origin);
    }
  }
  return { options, origins, file, faults: unknownVariables(env) };
}

/** Option by option, as everywhere; groups are options by name. */
function over(base: Options, written: Options): Options {
  const merged: Options = { ...base };
  for (const [name, value] of Object.entries(written)) {
    const below = merged[name];
    merged[name] = isGroup(below) && isGroup(value) ? over(below, value) : value;
  }
  return merged;
}

const isGroup = (value: unknown): value is Options =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws CONFIG_INVALID when it cannot be read or parsed, or holds no options by name */
export function readOptionsFile(file: string): Options {
  const parsed = parseFile(file, readFile(file));
  if (parsed === null || parsed === undefined) return {}; // nothing but comments
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new ConfigInvalidError(`${file}: must hold options by name`);
  }
  return parsed as Options;
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigInvalidError((error as Error).message, { cause: error });
  }
}

/** JSON goes through the YAML parser as well: JSON.parse takes the last of two equal names. */
function parseFile(file: string, text: string): unknown {
  const document = parseDocument(text, { uniqueKeys: true, merge: true });
  // The first line says what and where; the following ones show the file, secrets and all.
  const told = [...document.errors, ...document.warnings];
  const faults = told.map(({ message }) => message.split('\n')[0]?.replace(/:$/, ''));
  if (faults.length > 0) throw new ConfigInvalidError(`${file}: ${faults.join('; ')}`);
  if (!file.endsWith('.json')) return toOptions(file, document);
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = (error as Error).message.replace(/, (\.\.\.)?".*$/s, '');
    throw new ConfigInvalidError(`${file}: ${reason}`);
  }
}

/** The message would name the alias, which may be the beginning of a secret. */
function toOptions(file: string, document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const problem = 'a value begins with * and is no alias; put it in quotes';
    throw new ConfigInvalidError(`${file}: ${problem}`);
  }
}

/** A misspelt variable would silently do nothing. */
function unknownVariables(env: OptionSources['env']): Fault[] {
  const known = optionEntries.map((entry) => entry.env);
  return Object.keys(env)
    .filter((name) => name.startsWith('OUTBOX_RELAY_') && !otherVariables.test(name))
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = nearest(name, known);
      const problem = near === undefined ? 'is not an option' : `is not an option; ${near} is`;
      return { path: name, problem, received: undefined, origin: 'environment' };
    });
}

/**
 * The value of an option given as text. What does not look like its type stays text, so that the
 * schema reports it with the value received.
 */
function fromText({ path, schema }: OptionEntry, text: string): unknown {
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

/** A group that holds options is switched on already, and must not lose them. */
function isThere(options: Options, { path, facts }: OptionEntry, value: unknown): boolean {
  if (facts.group !== true || value !== true) return false;
  const held = path.reduce<unknown>((from, name) => (from as Options | undefined)?.[name], options);
  return typeof held === 'object' && held !== null;
}

function put(options: Options, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    options[name] = value;
    return;
  }
  const inner = options[name];
  // Something else in its place is reported by the schema; it is not worth losing the flag for.
  const group = typeof inner === 'object' && inner !== null ? (inner as Options) : {};
  options[name] = group;
  put(group, rest, value);
}

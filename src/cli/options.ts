/** Flags made from the option schema, and options read from file, environment and flags. */
import { type Command, Option } from 'commander';
import { type OptionEntry, optionEntries } from '../config/entries.ts';
import { loadOptions } from '../config/load.ts';
import { type Fault, fail } from '../config/resolve.ts';

export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** Adds the named options as flags, or all of them; each says where else it can be set. */
export function addOptions(command: Command, names?: readonly string[]): Command {
  for (const entry of optionEntries) {
    const name = entry.path.at(-1) as string;
    if (names !== undefined && !names.includes(name)) continue;
    command.addOption(flagOf(entry));
  }
  const config = 'options from a .yml or .json file; environment and flags win';
  return command.addOption(new Option('--config <FILE>', config).env('OUTBOX_RELAY_CONFIG'));
}

function flagOf({ facts, env }: OptionEntry): Option {
  const note = facts.note === undefined ? '' : ` ${facts.note}`;
  const unit = facts.unit === undefined ? '' : ` ${facts.unit}`;
  const text = `${facts.description}${note} (default: ${facts.fallback}${unit}; env: ${env})`;
  return new Option(`--${facts.flag} <${facts.value ?? 'VALUE'}>`, text);
}

/** All options given anywhere, unchecked. */
export function readOptions(flags: Flags): Record<string, unknown> {
  const texts: Record<string, string | undefined> = {};
  for (const { facts } of optionEntries) {
    const value = flags[camelCase(facts.flag)];
    if (typeof value === 'string') texts[facts.flag] = value;
  }
  const file = typeof flags['config'] === 'string' ? flags['config'] : undefined;
  return loadOptions({ file, env: process.env, flags: texts });
}

/**
 * Some options alone, each checked by its own part of the schema.
 * @throws CONFIG_INVALID with every fault
 */
export function pickOptions(flags: Flags, names: readonly string[]): Record<string, unknown> {
  const given = readOptions(flags);
  const faults: Fault[] = [];
  const picked: Record<string, unknown> = {};
  for (const entry of optionEntries) {
    const name = entry.path.join('.');
    if (!names.includes(name)) continue;
    const parsed = entry.schema.safeParse(given[name]);
    if (parsed.success) picked[name] = parsed.data;
    else {
      const problem = given[name] === undefined ? 'must be given' : parsed.error.issues[0]?.message;
      const received = given[name] === undefined ? undefined : JSON.stringify(given[name]);
      faults.push({ path: name, problem: problem ?? 'is not valid', received });
    }
  }
  if (faults.length > 0) fail(faults);
  return picked;
}

const camelCase = (flag: string) =>
  flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

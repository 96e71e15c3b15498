/** Flags made from the option schema, and options read from file, environment and flags. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type OptionEntry, optionEntries } from '../config/entries.ts';
import { type LoadedOptions, loadOptions } from '../config/load.ts';
import { ConfigInvalidError } from '../core/errors.ts';
import { readEndpoints } from '../rasa/endpoints.ts';
import { lanesOfNew, readSettings } from '../rasa/options.ts';
import { toRelayOptions } from '../rasa/relay-options.ts';

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
  const option = new Option(`--${facts.flag} <${facts.value ?? 'VALUE'}>`, text);
  // The last of two would win without a word.
  return option.argParser((value: string, previous: string | undefined) => {
    if (previous === undefined) return value;
    throw new InvalidArgumentError('It was given twice.');
  });
}

export interface ReadOptions extends LoadedOptions {
  /** Names in the Rasa configuration that mean nothing to us. */
  readonly ignored: readonly string[];
  /** With a Rasa configuration: lanes of a file that is not there yet. */
  readonly lanesOfNew?: number;
}

/** All options given anywhere, unchecked. */
export function readOptions(flags: Flags): ReadOptions {
  const texts: Record<string, string | undefined> = {};
  for (const { facts } of optionEntries) {
    const value = flags[camelCase(facts.flag)];
    if (typeof value === 'string') texts[facts.flag] = value;
  }
  const file = typeof flags['config'] === 'string' ? flags['config'] : undefined;
  const endpoints = flags['endpoints'];
  const sources = { file, env: process.env, flags: texts };
  if (typeof endpoints !== 'string') return { ...loadOptions(sources), ignored: [] };
  const { ignored, ...base } = readRasaConfig(endpoints);
  return { ...loadOptions({ ...sources, base }), ignored, lanesOfNew };
}

/** Adds the flag for a relay that is configured by Rasa's own file. */
export function addEndpoints(command: Command): Command {
  const text = 'options from the event_broker of a Rasa endpoints.yml; everything else wins';
  return command.addOption(new Option('--endpoints <FILE>', text));
}

function readRasaConfig(file: string) {
  const broker = readEndpoints(file, process.env);
  if (broker === null) throw new ConfigInvalidError(`${file}: has no event_broker`);
  const settings = readSettings(broker);
  return { options: toRelayOptions(settings), origin: file, ignored: settings.unknownOptions };
}

const camelCase = (flag: string) =>
  flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

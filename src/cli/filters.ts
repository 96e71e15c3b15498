/** Flags that say which events, for every command that looks at or acts on them. */
import { type Command, InvalidArgumentError } from 'commander';
import type { EventFilter, EventState } from '../admin/operator.ts';
import { UsageError } from '../core/errors.ts';
import type { Flags } from './options.ts';

type GivenFlags = Readonly<Record<string, string | boolean | string[] | undefined>>;

const durations: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function milliseconds(text: string): string {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) {
    throw new InvalidArgumentError('It must be a number and s, m, h or d, e.g. 90s.');
  }
  return String(Number(count) * (durations[unit] as number));
}

function wholeNumber(text: string): string {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return text;
}

function base64(text: string): string {
  if (Buffer.from(text, 'base64').toString('base64') === text) return text;
  throw new InvalidArgumentError('It must be base64 with its padding.');
}

const collect = (text: string, before: string[] | undefined) => [...(before ?? []), text];

export function addFilters(command: Command): Command {
  return addFiltersOfDead(command).option(
    '--state <STATE>',
    'in this state; may be repeated',
    collect,
  );
}

/** All but the state, which is given. */
export function addFiltersOfDead(command: Command): Command {
  return command
    .option('--topic <TOPIC>', 'of this topic')
    .option('--key <KEY>', 'of this order key')
    .option('--key-base64 <BASE64>', 'of this order key, which is no text', base64)
    .option('--code <CODE>', 'refused with this code, e.g. MESSAGE_TOO_LARGE')
    .option('--seq <N>', 'with this seq; may be repeated', (text: string, before?: string[]) =>
      collect(wholeNumber(text), before),
    )
    .option('--id <UUID>', 'with this event id; may be repeated', collect)
    .option('--older-than <TIME>', 'written at least this long ago: 90s, 15m, 2h, 7d', milliseconds)
    .option('--younger-than <TIME>', 'written less than this long ago', milliseconds);
}

export function addPage(command: Command, what: string): Command {
  return command
    .option('--limit <N>', `at most so many ${what} (default: 1000)`, wholeNumber)
    .option('--json', 'print JSON');
}

export function filterOf(flags: Flags): EventFilter {
  const { topic, key, keyBase64, state, code, seq, id } = flags as GivenFlags;
  const { olderThan, youngerThan } = flags as GivenFlags;
  if (key !== undefined && keyBase64 !== undefined) {
    throw new UsageError('give one of --key and --key-base64');
  }
  return {
    ...(topic === undefined ? {} : { topic: String(topic) }),
    ...(key === undefined ? {} : { key: String(key) }),
    ...(keyBase64 === undefined ? {} : { key: Buffer.from(String(keyBase64), 'base64') }),
    ...(state === undefined ? {} : { states: state as unknown as EventState[] }),
    ...(code === undefined ? {} : { code: String(code) }),
    ...(seq === undefined ? {} : { seqs: (seq as string[]).map(Number) }),
    ...(id === undefined ? {} : { ids: id as string[] }),
    ...(olderThan === undefined ? {} : { olderThanMs: Number(olderThan) }),
    ...(youngerThan === undefined ? {} : { youngerThanMs: Number(youngerThan) }),
  };
}

export function limitOf({ limit }: Flags): { readonly limit?: number } {
  return limit === undefined ? {} : { limit: Number(limit) };
}

/** Everything that is held is a lot to mean by saying nothing. */
export function refuseEmpty(filter: EventFilter, flags: Flags): void {
  if (Object.keys(filter).length > 0 || flags['all'] === true) return;
  throw new UsageError('which events? Give a filter, or --all for every one that is held');
}

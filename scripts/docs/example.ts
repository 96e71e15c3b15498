/** docs/outbox-relay.example.yml: every option with what it means. Pure. */
import { stringify } from 'yaml';
import { type OptionEntry, optionEntries } from '../../src/config/entries.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { boundOf } from './reference.ts';

const given = { db: 'shop.db', brokers: ['127.0.0.1:9092'] };
const width = 92;

const intro = `# outbox-relay.yml: every option. Those that are commented out show their
# defaults, or an example where there is none.
# Made by \`npm run docs\` from src/config. Flags and OUTBOX_RELAY_* win over this file.
`;

/** The example of an option that has no default. */
const samples: Readonly<Record<string, unknown>> = {
  redis: 'redis://127.0.0.1:6379',
  source: 'shop-1',
  lanes: 8,
};

export function renderExample(): string {
  const groups = new Map<string, OptionEntry[]>();
  for (const entry of optionEntries) {
    const group = entry.path.length === 1 ? '' : (entry.path[0] as string);
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  const parts = [...groups].map(([group, entries]) => {
    const lines = entries.map((entry) => option(entry, group === '' ? '' : '  '));
    return group === '' ? lines.join('\n') : `${group}:\n${lines.join('\n')}`;
  });
  return `${intro}\n${parts.join('\n')}`;
}

function option(entry: OptionEntry, indent: string): string {
  const { description, note, unit, fallback } = entry.facts;
  const name = entry.path.at(-1) as string;
  const bound = `${boundOf(entry)}${unit === undefined ? '' : `, ${unit}`}`;
  const text = [description, note, `${bound}. Default: ${fallback}.`].filter(Boolean).join(' ');
  const comment = wrap(text.replaceAll('`', '')).map((line) => `${indent}# ${line}\n`);
  const value = stringify(
    { [name]: shownValue(entry) },
    { flowCollectionPadding: false, lineWidth: 0 },
  )
    .trimEnd()
    .split('\n')
    .map((line) => `${indent}${isSet(name) ? '' : '#'}${line}\n`);
  return comment.join('') + value.join('');
}

/** The others are shown as comments; `retry` must not be left empty. */
const isSet = (name: string) => [...Object.keys(given), 'retries', 'delayMs'].includes(name);

function shownValue(entry: OptionEntry): unknown {
  const name = entry.path.join('.');
  if (name in samples) return samples[name];
  return entry.path.reduce<unknown>(
    (from, key) => (from as Record<string, unknown>)[key],
    resolveConfig(given),
  );
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

/** docs/outbox-relay.example.yml: every option with what it means. Pure. */
import { stringify } from 'yaml';
import { type OptionEntry, optionEntries } from '../../src/config/entries.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { boundOf } from './reference.ts';
import { wrap } from './text.ts';

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
  'deadLetter.topic': 'shop.dead',
  'bounds.events': 10_000_000,
  'bounds.bytes': 10_737_418_240,
  'bounds.freeDiskBytes': 16_777_216,
  'governor.eventsPerSecond': 5_000,
  'governor.bytesPerSecond': 10_000_000,
  'kafka.ssl.checkHostname': true,
  'kafka.sasl.mechanism': 'SCRAM-SHA-512',
  'kafka.sasl.username': 'shop-relay',
  'kafka.sasl.password': 'change-me',
  'kafka.compression': 'none',
};

/** Options that exclude one of the samples, or name a file that must be there: not to be set. */
const alternatives: Readonly<Record<string, string>> = {
  'kafka.ssl.caFile': '/etc/outbox-relay/kafka-ca.pem',
  'kafka.ssl.certFile': '/etc/outbox-relay/client.pem',
  'kafka.ssl.keyFile': '/etc/outbox-relay/client.key',
  'kafka.ssl.keyPassword': 'change-me',
  'kafka.ssl.keyPasswordFile': '/run/secrets/client-key-password',
  'kafka.sasl.passwordFile': '/run/secrets/kafka-password',
  'kafka.sasl.tokenEndpoint': 'https://login.example.com/oauth2/token',
  'kafka.sasl.clientId': 'shop-relay',
  'kafka.sasl.clientSecret': 'change-me',
  'kafka.sasl.clientSecretFile': '/run/secrets/kafka-client-secret',
  'kafka.sasl.scope': 'kafka',
  'kafka.sasl.tokenFile': '/run/secrets/kafka-token',
  'kafka.sasl.tokenCaFile': '/etc/outbox-relay/login-ca.pem',
  'kafka.sasl.service': 'kafka',
  'kafka.sasl.principal': 'shop-relay@EXAMPLE.COM',
  'kafka.sasl.keytab': '/etc/outbox-relay/shop-relay.keytab',
  'kafka.sasl.credentialCache': '/run/outbox-relay/krb5cc',
};

export function renderExample(): string {
  let open: readonly string[] = [];
  const parts = optionEntries.map((entry) => {
    const groups = entry.path.slice(0, -1);
    const opened = groups.filter((group, depth) => open[depth] !== group);
    const depth = groups.length - opened.length;
    const headers = opened.map((group, index) => {
      const indent = '  '.repeat(depth + index);
      return `${indent}${group === 'retry' ? '' : '#'}${group}:\n`;
    });
    open = groups;
    // What a group is stands above its name, which comes with the first option in it.
    if (entry.facts.group === true) return headers.join('') + commentOf(entry);
    return `${headers.join('')}${option(entry)}\n`;
  });
  return `${intro}\n${parts.join('').trimEnd()}\n`;
}

function indentOf({ path }: OptionEntry): string {
  return '  '.repeat(path.length - 1);
}

function commentOf(entry: OptionEntry): string {
  const indent = indentOf(entry);
  const { description, note, unit, fallback } = entry.facts;
  const bound = `${boundOf(entry)}${unit === undefined ? '' : `, ${unit}`}`;
  const text = [description, note, `${bound}. Default: ${fallback}.`].filter(Boolean).join(' ');
  return wrap(text.replaceAll('`', ''), width)
    .map((line) => `${indent}# ${line}\n`)
    .join('');
}

function option(entry: OptionEntry): string {
  const indent = indentOf(entry);
  const name = entry.path.at(-1) as string;
  const other = alternatives[entry.path.join('.')];
  if (other !== undefined) return `${commentOf(entry)}${indent}# ${stringify({ [name]: other })}`;
  const value = stringify(
    { [name]: shownValue(entry) },
    { flowCollectionPadding: false, lineWidth: 0 },
  )
    .trimEnd()
    .split('\n')
    .map((line) => `${indent}${isSet(name) ? '' : '#'}${line}\n`);
  return commentOf(entry) + value.join('');
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

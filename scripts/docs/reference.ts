/** docs/configuration.md, made from the option schema. Pure. */
import { z } from 'zod';
import { type OptionEntry, optionEntries } from '../../src/config/entries.ts';

const intro = `# Configuration

<!-- Made by \`npm run docs\` from src/config; a test compares them. -->

Every option can be given to \`createRelay({ … })\`, in a file (\`--config FILE\`, YAML or JSON), in
the environment, and as a flag of \`outbox-relay\`. The later of these wins, option by option. All
faults are reported at once, each with where it came from (\`CONFIG_INVALID\`). Names that end in
\`Ms\` are milliseconds, in \`Bytes\` bytes.

\`\`\`yaml
# outbox-relay.yml
db: shop.db
brokers: [127.0.0.1:9092]
redis: redis://127.0.0.1:6379
retry:
  retries: 60
  delayMs: 5000
\`\`\`
`;

const rules = `
## Rules between options

- \`leaseMs\` must exceed \`sendTimeoutMs\` by a quarter: a send must not
  outlive the right to make it.
- \`batchPartitionBytes\` must not exceed \`batchBytes\`.
- \`retry.maxDelayMs\` must not be below \`retry.delayMs\` when \`retry.backoff\` is
  \`exponential\`.
- \`brokers\` names each broker once.
- \`kafka.ssl.certFile\` and \`keyFile\` go together. A secret is given as a text or as a file, not
  both.
- \`kafka.sasl\` needs a \`mechanism\`; options of another mechanism are refused. PLAIN and SCRAM
  need \`username\` and a password. OAUTHBEARER needs \`tokenEndpoint\` with \`clientId\` and a
  client secret, or \`tokenFile\`, or \`fetchKafkaToken\` in code. GSSAPI takes \`keytab\` or
  \`credentialCache\`, or what the environment says.
- Files of \`kafka\` must be there and readable when a relay or the doctor starts. They are read
  again later, so that a rotated secret or certificate needs no restart. [Security](security.md)
  has the names of other clients beside ours, and what each failure means.

## Other variables

| variable | meaning |
| --- | --- |
| \`OUTBOX_RELAY_CONFIG\` | the options file, as \`--config\` |
| \`OUTBOX_RELAY_NO_INSTALL\` | \`1\`: the set-up only says what is missing |
`;

interface JsonSchema {
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly anyOf?: readonly JsonSchema[];
}

const number = (value: number) => value.toLocaleString('en-US');
const range = (from = 0, to = 0) => `${number(from)} to ${number(to)}`;

export function boundOf(entry: OptionEntry): string {
  if (entry.path.at(-1) === 'createTopics') return '`broker`, `never` or an object';
  if (entry.facts.group === true) return '`true`, `false` or the options that follow, by name';
  return bound(z.toJSONSchema(entry.schema, { io: 'input' }) as JsonSchema);
}

function bound(schema: JsonSchema): string {
  const inner = schema.anyOf?.find(({ type }) => type !== 'null');
  if (inner !== undefined) return bound(inner);
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${one}\``).join(', ');
  switch (schema.type) {
    case 'boolean':
      return '`true`, `false`';
    case 'array':
      return `${range(schema.minItems, schema.maxItems)} items`;
    case 'integer':
    case 'number':
      return range(schema.minimum, schema.maximum);
    default:
      if (schema.maxLength !== undefined) {
        return `${range(schema.minLength, schema.maxLength)} characters`;
      }
      return 'text';
  }
}

function section(entry: OptionEntry): string {
  const { description, fallback, unit, note, flag, value, secret } = entry.facts;
  const lines = [
    `### \`${entry.path.join('.')}\``,
    '',
    note === undefined ? description : `${description} ${note}`,
    '',
    '| | |',
    '| --- | --- |',
    `| bound | ${boundOf(entry)}${unit === undefined ? '' : `, ${unit}`} |`,
    `| default | ${fallback} |`,
    `| flag | \`--${flag} ${value ?? 'VALUE'}\` |`,
    `| environment | \`${entry.env}\` |`,
  ];
  if (secret === 'url') lines.push('| secret | a password in it is never shown |');
  if (secret === true) lines.push('| secret | never shown |');
  return lines.join('\n');
}

export function renderReference(): string {
  const sections = optionEntries.map(section).join('\n\n');
  return `${intro}\n## Options\n\n${sections}\n${rules}`;
}

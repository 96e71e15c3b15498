/**
 * src/config/relay-options.ts: the type of the options, with what each means. A type derived from
 * the schema would be right and mute: editors and the API reference show what is written here.
 * Pure.
 */
import { z } from 'zod';
import { type OptionEntry, optionEntries } from '../../src/config/entries.ts';
import { boundOf } from './reference.ts';
import { wrap } from './text.ts';

const width = 92;

const intro = `// Made by \`npm run docs\` from the schema in options.ts; a test compares them.
import type { Mechanism } from '../sink/security.ts';

/** Options as a user gives them; all but \`db\` and \`brokers\` may be left out. */
export interface RelayOptions {
`;

/** What JSON Schema cannot say. */
const special: Readonly<Record<string, string>> = {
  'kafka.sasl.mechanism': 'Mechanism | Lowercase<Mechanism>',
};
const required = ['db', 'brokers'];

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

interface Node {
  readonly path: readonly string[];
  readonly entry: OptionEntry | null;
  readonly children: Node[];
}

export function renderOptionsType(): string {
  const root: Node = { path: [], entry: null, children: [] };
  for (const entry of optionEntries) put(root, entry);
  return `${intro}${members(root, '  ')}}\n`;
}

function put(root: Node, entry: OptionEntry): void {
  let node = root;
  for (const [index, name] of entry.path.entries()) {
    const last = index === entry.path.length - 1;
    let child = node.children.find(({ path }) => path.at(-1) === name);
    if (child === undefined) {
      const path = entry.path.slice(0, index + 1);
      child = { path, entry: last ? entry : null, children: [] };
      node.children.push(child);
    }
    node = child;
  }
}

function members({ children }: Node, indent: string): string {
  return children.map((child) => member(child, indent)).join('');
}

function member(node: Node, indent: string): string {
  const name = node.path.at(-1) ?? '';
  const optional = required.includes(name) && node.path.length === 1 ? '' : '?';
  const type = `${typeOf(node, indent)}${optional === '' ? '' : ' | undefined'}`;
  return `${comment(node, indent)}${indent}${name}${optional}: ${type};\n`;
}

function typeOf(node: Node, indent: string): string {
  const { path, entry, children } = node;
  if (children.length > 0) {
    const group = `{\n${members(node, `${indent}  `)}${indent}}`;
    return entry === null ? group : `boolean | ${group}`;
  }
  const known = special[path.join('.')];
  if (known !== undefined || entry === null) return known ?? 'never';
  return fromSchema(z.toJSONSchema(entry.schema, { io: 'input' }) as JsonSchema);
}

function fromSchema(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(fromSchema).join(' | ');
  if (schema.enum !== undefined) return schema.enum.map((one) => `'${one}'`).join(' | ');
  switch (schema.type) {
    case 'integer':
      return 'number';
    case 'array':
      return `${fromSchema(schema.items ?? {})}[]`;
    case 'object': {
      const inner = Object.entries(schema.properties ?? {});
      return `{ ${inner.map(([name, one]) => `${name}: ${fromSchema(one)}`).join('; ')} }`;
    }
    default:
      return schema.type ?? 'unknown';
  }
}

function comment({ path, entry }: Node, indent: string): string {
  if (entry === null) return `${indent}/** Options of \`${path.join('.')}\`. */\n`;
  const { description, note, unit, fallback } = entry.facts;
  const bound = [boundOf(entry), unit].filter((one) => one !== undefined && one !== 'text');
  const values = [...bound, `default: ${fallback}`].join(', ');
  const sentence = `${values[0]?.toUpperCase()}${values.slice(1)}.`;
  const text = [description, note, sentence].filter(Boolean).join(' ');
  const lines = wrap(text, width - indent.length);
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`;
}

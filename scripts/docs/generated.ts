/** The documents that are made from the code: path from the root, and text. Pure. */
import { z } from 'zod';
import type { OptionFacts } from '../../src/config/facts.ts';
import { optionsSchema } from '../../src/config/options.ts';
import { renderExample } from './example.ts';
import { renderOptionsType } from './options-type.ts';
import { renderReference } from './reference.ts';

/** Facts that are part of the description, or of no use to an editor. */
const factNames = ['fallback', 'unit', 'note', 'flag', 'value', 'secret', 'group'];

export function generatedDocuments(): [path: string, text: string][] {
  return [
    ['src/config/relay-options.ts', renderOptionsType()],
    ['docs/configuration.md', renderReference()],
    ['docs/outbox-relay.example.yml', renderExample()],
    ['docs/outbox-relay.schema.json', renderSchema()],
  ];
}

/** For editors: names, types, bounds, meaning. Rules between options are checked by the relay. */
function renderSchema(): string {
  const schema = z.toJSONSchema(optionsSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      const shown = jsonSchema as Record<string, unknown>;
      const { description, note, fallback, unit } = shown as unknown as OptionFacts;
      if (description !== undefined) {
        const value = `Default: ${fallback}${unit === undefined ? '' : ` ${unit}`}.`;
        shown['description'] = [description, note, value].filter(Boolean).join(' ');
      }
      for (const name of factNames) delete shown[name];
    },
  });
  const { $schema, ...rest } = schema;
  const title = 'Options of outbox-relay (outbox-relay.yml)';
  return `${JSON.stringify({ $schema, title, ...rest, required: undefined }, null, 2)}\n`;
}
